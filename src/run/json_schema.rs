//! The JSON Schemas in `docs/schema/`, which are made from the types that write the files.

use std::{fs, path::Path};

/// Compares the schema of a type with the file that describes it; `SCHEMA=update` writes the file again.
#[track_caller]
pub(crate) fn assert_is_described<T: schemars::JsonSchema>(title: &str, file: &str) {
    let mut schema = schemars::schema_for!(T);
    schema.insert("title".to_owned(), title.into());
    let schema = format!("{:#}\n", schema.as_value());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(file);
    if std::env::var_os("SCHEMA").is_some_and(|value| value == "update") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &schema).unwrap();
    }
    let described = fs::read_to_string(&path).unwrap_or_default();
    let differs = described.lines().zip(schema.lines()).position(|(one, other)| one != other);
    let line = differs.unwrap_or_else(|| described.lines().count().min(schema.lines().count())) + 1;
    assert!(
        described == schema,
        "{} differs from the types from line {line} on; this test writes it again with SCHEMA=update",
        path.display()
    );
}
