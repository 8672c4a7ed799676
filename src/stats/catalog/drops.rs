//! The statistics of a `drops` run: what the capacity of the experts takes away.

/// Passes the earlier entries and these entries to `statistics`.
macro_rules! with_drops_statistics {
    ($($before:tt)*) => {
        statistics! {
            $($before)*
            AssignmentDropRatio = "assignment_drop_ratio" {
                command: Drops, table: "assignment_drop_ratio", question: "drop-trend", unit: "share", kept: false,
                title: "Assignment drop ratio",
                definition: "dropped assignments / (k * occurrences), over all, by data set, category, role, turn, \
                    expert, token id and position",
                baseline: "mean after permuting choice vectors with capacity reapplied: across sequences; for role, \
                    turn, token id and position within sequences",
                source: "OpenMoE, arXiv 2402.01739, Figure 12",
                reading: "The share of the choices that found the expert's queue full. Random order shows a rise with \
                    position too, because queues fill from the front: what stands above the dashed baseline is due to \
                    what the text says there, and not to the queue alone.",
            }
            FirstChoiceDropRatio = "first_choice_drop_ratio" {
                command: Drops, table: "first_choice_drop_ratio", question: "drop-trend", unit: "share", kept: false,
                title: "First-choice drop ratio",
                definition: "share of the first choices that found no slot",
                baseline: "as for assignment_drop_ratio",
                source: "this tool",
                reading: "First choices are queued before second ones, so that they are dropped less; this is the loss \
                    that hurts the token most.",
            }
            SecondChoiceDropRatio = "second_choice_drop_ratio" {
                command: Drops, table: "second_choice_drop_ratio", question: "drop-trend", unit: "share", kept: false,
                title: "Second-choice drop ratio",
                definition: "share of the second choices that found no slot",
                baseline: "as for assignment_drop_ratio",
                source: "this tool",
                reading: "Second choices queue behind all first ones of the group, so that they are dropped first.",
            }
            ChoiceDropRatio = "choice_drop_ratio" {
                command: Drops, table: "choice_drop_ratio", question: "drop-trend", unit: "share", kept: false,
                title: "Drop ratio by choice",
                definition: "share of the r-th choices that found no slot, r = rank from 1 to k; of more than two choices",
                baseline: "as for assignment_drop_ratio",
                source: "this tool",
                reading: "Each choice queues behind all earlier ones of the group: where the later ranks are lost and the first ones kept, the capacity cuts what weighs least.",
            }
            TokenDropRatio = "token_drop_ratio" {
                command: Drops, table: "token_drop_ratio", question: "drop-trend", unit: "share", kept: false,
                title: "Token drop ratio",
                definition: "share of the occurrences that lost every choice",
                baseline: "as for assignment_drop_ratio",
                source: "this tool",
                reading: "Tokens that lost every expert pass the layer by the residual alone.",
            }
            GateMassLost = "gate_mass_lost" {
                command: Drops, table: "gate_mass_lost", question: "drop-trend", unit: "share", kept: false,
                title: "Gate mass lost",
                definition: "sum of g over dropped assignments / sum of g over all assignments",
                baseline: "as for assignment_drop_ratio; g moves with its choice",
                source: "this tool",
                reading: "Drops weighted by how much the router wanted them: below the drop ratio where unimportant \
                    choices are lost.",
            }
            DropTrend = "drop_trend" {
                command: Drops, table: "drop_trend", question: "drop-trend", unit: "share", kept: false,
                title: "Drop trend within sequences",
                definition: "mean over sequences of the assignment drop ratio of the last quarter minus that of the \
                    first; slope per 1,000 positions with sequence fixed effects; quarters against the middle",
                baseline: "mean after permuting choice vectors within sequences with capacity reapplied; corrected: \
                    estimate - baseline",
                source: "this tool",
                reading: "Last quarter minus first of the same sequences. Above 0: later tokens lose more. Beyond \
                    random order (last_minus_first_excess, interval above 0): more than a filling queue explains.",
            }
            DocumentDrops = "document_drops" {
                command: Drops, table: "document_drops", question: "drop-causes", unit: "share", kept: false,
                title: "Documents that lose most",
                definition: "assignment drop ratio of a document; the 50 highest",
                baseline: "the assignment drop ratio of the layer",
                source: "this tool",
                reading: "Chosen because they lose most: examples, not estimates.",
            }
            DroppedTokens = "dropped_tokens" {
                command: Drops, table: "dropped_tokens", question: "drop-causes", unit: "share", kept: false,
                title: "Dropped tokens of the worst conversation",
                definition: "share of a token's choices that found no slot, token by token, in the conversation that \
                    loses most",
                baseline: "none: the conversation is chosen because it loses most",
                source: "this tool",
                reading: "One conversation, token by token: look for runs of the same words that fill one expert.",
            }
            DropDifference = "drop_difference" {
                command: Drops, table: "drop_difference", question: "drop-compare", unit: "share", kept: false,
                title: "Drop difference between two models",
                definition: "drop ratio or trend of the model less that of the reference on the same sequences, paired \
                    by document",
                baseline: "0, no difference",
                source: "OpenMoE, arXiv 2402.01739, Figure 12b",
                reading: "Below 0: the model drops less than the reference on the same text. Documents are paired, so \
                    that the interval is narrower than those of the two values suggest.",
            }
            CapacityReplay = "capacity_replay" {
                command: Drops, table: "capacity_replay", question: "drop-capacity", unit: "share", kept: false,
                title: "Capacity replay",
                definition: "the five drop ratios recomputed from the logged choices at other capacity factors, rules, \
                    groups and orders of the queue; the smallest factor that drops no more than 0.1, 1 and 5 % (ratio)",
                baseline: "the run's own value (as_routed)",
                source: "this tool; order by gate probability: V-MoE, arXiv 2106.05974",
                reading: "What other capacities would have dropped of the same choices. Later layers would have seen \
                    other inputs: a first-order answer, which the exact replay checks.",
            }
            RankLoad = "rank_load" {
                command: Drops, table: "rank_load", question: "drop-capacity", unit: "ratio", kept: false,
                title: "Load of the ranks of an expert-parallel placement",
                definition: "largest load of a rank / mean load of the ranks, if each holds a contiguous block of the experts: \
                    over all tokens; and batch by batch, sum of the largest loads / sum of the mean loads",
                baseline: "over all: 1, all ranks loaded alike; batch by batch: mean after permuting choice vectors \
                    across sequences",
                source: "this tool; balancedness of expert-parallel engines is its inverse",
                reading: "1.5: the layer takes half as long again as with an even load, because all ranks wait for the \
                    slowest. Batch by batch it is more than over all, because loads level out over many texts.",
            }
            Burstiness = "burstiness" {
                command: Drops, table: "burstiness", question: "drop-causes", unit: "ratio", kept: false,
                title: "Burstiness of the drops",
                definition: "dropped assignments / mean dropped after permuting choice vectors across sequences",
                baseline: "1: what is popular is popular everywhere",
                source: "this tool",
                reading: "1: popular experts are popular everywhere. 3: texts that want the same experts at once drop \
                    three times what their popularity alone would.",
            }
            DropCauses = "drop_causes" {
                command: Drops, table: "drop_causes", question: "drop-causes", unit: "share", kept: false,
                title: "Causes of the drops",
                definition: "share of a token id, role or turn in the queues of an expert that overflowed",
                baseline: "its share of all assignments of the layer",
                source: "this tool",
                reading: "What filled the queues that overflowed. A share above the baseline: this kind of token fills \
                    them more than it fills the layer.",
            }
            ExpertOccupancy = "expert_occupancy" {
                command: Drops, table: "expert_occupancy", question: "drop-causes", unit: "share", kept: false,
                title: "Expert occupancy along the text",
                definition: "mean over sequences of min(1, queue length / capacity) at the end of a bin of positions, \
                    for a first and a second choice",
                baseline: "experts asked for alike",
                source: "this tool",
                reading: "How full an expert's queue is by this point of the text; the baseline is experts asked for \
                    alike. Where a line reaches 1 early, later tokens are dropped.",
            }
            ExactReplay = "exact_replay" {
                command: Drops, table: "exact_replay", question: "drop-capacity", unit: "share", kept: false,
                title: "Exact replay",
                definition: "the five drop ratios of a second forward pass at another capacity factor; corrected: less \
                    the first-order replay",
                baseline: "the first-order replay of the logged choices at that factor",
                source: "this tool",
                reading: "A second forward pass at that capacity against the replay: a corrected value near 0 says \
                    that the replay can be trusted.",
            }
        }
    };
}
