//! What one expert does, where one token goes, which experts take a category: in sentences and tables for people, and as JSON.

mod category;
mod expert;
mod numbers;
mod source;
mod text_table;
mod token;

pub use category::CategoryReport;
pub use expert::ExpertReport;
pub(super) use expert::is_telling;
pub use source::{ProfileSettings, ProfileSource};
pub use text_table::{AnswerPart, TextTable};
pub use token::{MovedReport, TokenMatch, TokenReport};

/// Version of the layout of the JSON of all three.
const SCHEMA: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::json_schema::assert_is_described;

    #[test]
    fn the_schemas_are_those_of_the_types() {
        assert_is_described::<ExpertReport>("JSON of openmoe-analyze expert", "expert.schema.json");
        assert_is_described::<TokenReport>("JSON of openmoe-analyze token", "token.schema.json");
        assert_is_described::<MovedReport>("JSON of openmoe-analyze token without a token", "moved.schema.json");
        assert_is_described::<CategoryReport>("JSON of openmoe-analyze category", "category.schema.json");
    }
}
