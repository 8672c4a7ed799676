//! Builds what a finished run knows of one MoE layer, token by token, for tests whose numbers are known beforehand.

use openmoe_analyze::{
    routing::{CapacityRule, ExpertId, RouterSettings, queue_slots},
    stats::{DropLayer, DropSettings, DropStudy, Role, Settings, Tables, drop_statistics, merge, route_statistics},
    trace::{GroupTable, LayerTrace, SequenceTable, SpanTable},
};

/// One token: its id, its ordered choices, their gate probabilities, and which of them found a slot.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) id: u32,
    pub(crate) experts: Vec<ExpertId>,
    pub(crate) gates: Vec<f32>,
    pub(crate) kept: Vec<bool>,
}

/// A token all of whose choices find a slot, until groups are queued.
pub(crate) fn token(id: u32, experts: &[ExpertId], gates: &[f32]) -> Token {
    Token { id, experts: experts.to_vec(), gates: gates.to_vec(), kept: vec![true; experts.len()] }
}

/// Gate probabilities of 1/2, 1/4, ...; all choices find a slot.
impl From<(u32, Vec<ExpertId>)> for Token {
    fn from((id, experts): (u32, Vec<ExpertId>)) -> Self {
        let gates: Vec<f32> = (0..experts.len()).map(|choice| 0.5_f32.powi(choice as i32 + 1)).collect();
        token(id, &experts, &gates)
    }
}

/// The same, and which of the choices found a slot.
impl From<(u32, Vec<ExpertId>, Vec<bool>)> for Token {
    fn from((id, experts, kept): (u32, Vec<ExpertId>, Vec<bool>)) -> Self {
        Self { kept, ..(id, experts).into() }
    }
}

/// The trace of decoder layer 3 in the making, with everything that statistics ask about its text.
#[derive(Clone, Debug)]
pub(crate) struct MadeUpTrace {
    pub(crate) sequences: SequenceTable,
    pub(crate) spans: SpanTable,
    pub(crate) groups: GroupTable,
    pub(crate) router: RouterSettings,
    pub(crate) layer: LayerTrace,
}

impl MadeUpTrace {
    /// A layer of this router without tokens.
    pub(crate) fn of_router(router: RouterSettings, datasets: &[&str], categories: &[&str]) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let sequences = SequenceTable {
            category_names: names(categories),
            dataset_names: names(datasets),
            ..SequenceTable::default()
        };
        let (num_experts, top_k) = (router.num_experts, router.top_k);
        let layer = LayerTrace { layer: 3, num_experts, top_k, ..LayerTrace::default() };
        Self { sequences, spans: SpanTable::default(), groups: GroupTable::default(), router, layer }
    }

    /// The same, of a router whose capacity [`with_slots`](Self::with_slots) decides.
    pub(crate) fn new(num_experts: usize, top_k: usize, datasets: &[&str], categories: &[&str]) -> Self {
        Self::of_router(router_of_slots(num_experts, top_k, 1), datasets, categories)
    }

    /// Adds a document of one sequence, by the numbers of its data set and category; returns its sequence.
    pub(crate) fn document<T: Clone + Into<Token>>(
        &mut self,
        dataset: u16,
        category: Option<u16>,
        tokens: &[T],
    ) -> u32 {
        let document = self.sequences.document_names.len() as u32;
        self.sequences.document_names.push(format!("document {document}"));
        self.chunk(document, dataset, category, tokens)
    }

    /// Adds a sequence to a document.
    pub(crate) fn chunk<T: Clone + Into<Token>>(
        &mut self,
        document: u32,
        dataset: u16,
        category: Option<u16>,
        tokens: &[T],
    ) -> u32 {
        let sequence = self.sequences.tokens.len() as u32;
        self.sequences.tokens.push(tokens.len() as u32);
        self.sequences.document.push(document);
        self.sequences.dataset.push(dataset);
        self.sequences.category.push(category);
        for (position, token) in tokens.iter().enumerate() {
            self.row(sequence, position as u32, token.clone().into());
        }
        sequence
    }

    fn row(&mut self, sequence: u32, position: u32, token: Token) {
        self.sequences.token_text.insert(token.id, format!("piece {}", token.id));
        self.layer.sequence.push(sequence);
        self.layer.position.push(position);
        self.layer.token_id.push(token.id);
        self.layer.expert.extend(token.experts);
        self.layer.probability.extend(token.gates);
        self.layer.kept.extend(token.kept);
        self.layer.entropy.push(1.0 + position as f32);
        self.layer.margin_first.push(0.25);
        self.layer.margin_k.push(0.125);
    }

    /// Adds a message to a sequence.
    pub(crate) fn span(&mut self, sequence: u32, turn: u16, role: Role, start: u32, end: u32) {
        self.spans.sequence.push(sequence);
        self.spans.turn.push(turn);
        self.spans.role.push(role);
        self.spans.start.push(start);
        self.spans.end.push(end);
    }

    /// Queues groups of `size` sequences with as many slots as `slots` gives for a number of tokens.
    pub(crate) fn with_slots(&mut self, size: usize, slots: impl Fn(usize) -> u32) {
        self.groups = GroupTable::default();
        let k = self.layer.top_k;
        let mut start = 0;
        for (index, lengths) in self.sequences.tokens.chunks(size).enumerate() {
            let tokens: usize = lengths.iter().map(|length| *length as usize).sum();
            let (first, capacity) = ((index * size) as u32, slots(tokens));
            self.groups.sequences.push(first..first + lengths.len() as u32);
            self.groups.capacity.push(capacity);
            let choices = start * k..(start + tokens) * k;
            let mut slot = Vec::new();
            queue_slots(&self.layer.expert[choices.clone()], k, self.layer.num_experts, &(0..tokens), &mut slot);
            let kept = &mut self.layer.kept[choices];
            kept.iter_mut().zip(slot).for_each(|(kept, slot)| *kept = slot < capacity);
            start += tokens;
        }
        let capacity = self.groups.capacity.first().copied().unwrap_or(1);
        self.router = router_of_slots(self.layer.num_experts, k, capacity);
    }

    /// The statistics of `route`.
    pub(crate) fn statistics(&self, settings: &Settings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, route_statistics(&self.sequences, &self.layer, settings, &|_| ()).unwrap());
        tables
    }

    /// What the statistics of `drops` look at.
    pub(crate) fn drop_layer(&self) -> DropLayer<'_> {
        DropLayer {
            sequences: &self.sequences,
            spans: &self.spans,
            groups: &self.groups,
            router: self.router,
            trace: &self.layer,
        }
    }

    pub(crate) fn drop_study(&self, settings: &DropSettings) -> DropStudy<'_> {
        DropStudy::new(&self.drop_layer(), settings).unwrap()
    }

    /// The statistics of `drops`.
    pub(crate) fn drop_statistics(&self, settings: &DropSettings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, drop_statistics(&self.drop_study(settings), &|_| ()).unwrap());
        tables
    }
}

/// A rule that gives every group this capacity: the factor is too small to matter.
fn router_of_slots(num_experts: usize, top_k: usize, slots: u32) -> RouterSettings {
    let capacity_rule = if slots == u32::MAX { CapacityRule::Unlimited } else { CapacityRule::Port };
    RouterSettings { num_experts, top_k, capacity_rule, capacity_factor: 0.01, min_capacity: slots }
}
