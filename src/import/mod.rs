//! Routes that other engines recorded: what their files hold, whether it can be true, and in which form a trace takes it.
//!
//! A file is read twice. First the [gate](Gate) looks at all of it and says what is wrong; what it finds decides how the routes are
//! read the second time (layers without a record, the order of choices, what the numbers beside them mean). Nothing is invented:
//! what a record does not hold stays unknown, and the statistics that need it are withheld.

mod array_file;
mod category;
mod counts;
mod file_names;
mod format;
mod formats;
mod gate;
mod gguf;
mod json_lines;
mod layer_array;
mod left_out;
mod model_config;
mod npy;
mod number_array;
mod numbers;
mod numpy_pickle;
mod open_record;
mod options;
mod prepared;
mod record;
mod recorder;
mod routes;
mod source;
mod text_file;
mod token_file;
mod torch_file;

pub use counts::{CountTable, CountUnit, check_counts};
pub use format::{Format, Opened};
pub use gate::{CheckResult, Gate, GateReport, Outcome, Reading};
pub use model_config::ModelConfig;
pub use open_record::{FORMATS, open, passed_over};
pub use options::{CategoryFrom, ImportOptions};
pub use prepared::{Prepared, PreparedSequence};
pub use record::Routes;
pub use recorder::{RECORDERS, Recorder};
pub use routes::{ABSENT, ChoiceOrder, Header, RecordedLayer, RouteReader, RouteSequence, Weights};
pub use source::Source;
