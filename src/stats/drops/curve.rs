//! Drops by position: bins and raw, of all sequences that reach a position, and of those that reach the end.

use super::{keys::Key, study::DropStudy, tally::Atoms};

/// The windows of a layer: how long the longest sequence is, over all and by data set.
pub(super) struct Windows {
    all: usize,
    dataset: Vec<usize>,
    /// Sequences that reach the end of the window: over all, then by data set.
    pub(super) reaching: Vec<usize>,
}

impl Windows {
    /// Finds the longest sequences.
    pub(super) fn new(study: &DropStudy<'_>) -> Self {
        let table = study.layer.sequences;
        let mut windows = Self {
            all: study.sequences.iter().map(ExactSizeIterator::len).max().unwrap_or(0),
            dataset: vec![0; table.dataset_names.len()],
            reaching: vec![0; 1 + table.dataset_names.len()],
        };
        for (rows, dataset) in study.sequences.iter().zip(&table.dataset) {
            let window = &mut windows.dataset[usize::from(*dataset)];
            *window = rows.len().max(*window);
        }
        for (rows, dataset) in study.sequences.iter().zip(&table.dataset) {
            let dataset = usize::from(*dataset);
            windows.reaching[0] += usize::from(rows.len() == windows.all);
            windows.reaching[1 + dataset] += usize::from(rows.len() == windows.dataset[dataset]);
        }
        windows
    }

    /// What to keep in mind about a fixed cohort.
    pub(super) fn remark(&self, dataset: Option<u16>) -> String {
        let index = dataset.map_or(0, |dataset| 1 + usize::from(dataset));
        let window = dataset.map_or(self.all, |dataset| self.dataset[usize::from(dataset)]);
        let reaching = self.reaching[index];
        let verb = if reaching == 1 { "sequence reaches" } else { "sequences reach" };
        format!("{reaching} {verb} the end of the window of {window} positions")
    }
}

/// The curves.
pub(super) fn by_position(study: &DropStudy<'_>, windows: &Windows) -> Atoms {
    let bin = study.settings.bin.max(1);
    let atom = |row: usize| {
        let dataset = study.dataset(row);
        let length = study.sequences[study.sequence(row)].len();
        let reaches = [length == windows.all, length == windows.dataset[usize::from(dataset)]];
        Some((dataset, reaches, study.layer.trace.position[row]))
    };
    Atoms::new(study, atom, |(dataset, reaches, position)| {
        let first = position - position % bin;
        let scopes = [(None, reaches[0]), (Some(dataset), reaches[1])];
        scopes
            .into_iter()
            .flat_map(|(dataset, reaches)| {
                let bucket = |fixed| Key::Bucket { fixed, dataset, first };
                let fixed = reaches.then(|| bucket(true));
                [Key::Position { dataset, position }, bucket(false)].into_iter().chain(fixed)
            })
            .collect()
    })
}
