//! The kind of a column, by its type.

use polars_arrow::datatypes::{ArrowDataType as Type, Field};

use crate::corpus::files::{Column, ColumnKind};

/// A field whose dictionary and extension types are replaced by the types of their values, which are read the same way.
pub(super) fn plain(field: &Field) -> Field {
    Field::new(field.name.clone(), plain_type(&field.dtype), field.is_nullable)
}

fn plain_type(of: &Type) -> Type {
    let inner = |field: &Field| Box::new(plain(field));
    match of {
        Type::Dictionary(_, values, _) => plain_type(values),
        Type::Extension(extension) => plain_type(&extension.inner),
        Type::Utf8 | Type::LargeUtf8 => Type::Utf8View,
        Type::Binary | Type::LargeBinary => Type::BinaryView,
        Type::List(field) | Type::LargeList(field) | Type::Map(field, _) => Type::LargeList(inner(field)),
        Type::FixedSizeList(field, width) => Type::FixedSizeList(inner(field), *width),
        Type::Struct(fields) => Type::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// The kind of a column.
pub(super) fn judge(field: &Field) -> Column {
    let kind = kind(&field.dtype);
    Column { name: field.name.to_string(), kind, type_name: type_name(&field.dtype) }
}

fn kind(of: &Type) -> ColumnKind {
    match of {
        Type::Utf8View | Type::BinaryView | Type::FixedSizeBinary(_) => ColumnKind::Text,
        Type::Date32 | Type::Date64 | Type::Time32(_) | Type::Time64(_) | Type::Timestamp(..) => ColumnKind::Time,
        Type::LargeList(field) | Type::FixedSizeList(field, _) => nested(ColumnKind::List, [field.as_ref()]),
        Type::Struct(fields) => nested(ColumnKind::Object, fields),
        other if is_scalar(other) => ColumnKind::Scalar,
        _ => ColumnKind::Other,
    }
}

/// A nested column, which is unsupported if any of its fields is.
fn nested<'a>(kind_of_all: ColumnKind, fields: impl IntoIterator<Item = &'a Field>) -> ColumnKind {
    let mut fields = fields.into_iter().peekable();
    let known = fields.peek().is_some() && fields.all(|field| kind(&field.dtype) != ColumnKind::Other);
    if known { kind_of_all } else { ColumnKind::Other }
}

fn is_scalar(of: &Type) -> bool {
    matches!(
        of,
        Type::Null
            | Type::Boolean
            | Type::Int8
            | Type::Int16
            | Type::Int32
            | Type::Int64
            | Type::UInt8
            | Type::UInt16
            | Type::UInt32
            | Type::UInt64
            | Type::Float16
            | Type::Float32
            | Type::Float64
            | Type::Decimal(..)
            | Type::Decimal32(..)
            | Type::Decimal64(..)
    )
}

/// The name of a type as other programs write it: `list<struct<role: string, content: string>>`.
fn type_name(of: &Type) -> String {
    match of {
        Type::Utf8View => "string".into(),
        Type::BinaryView => "binary".into(),
        Type::FixedSizeBinary(width) => format!("binary of {width} bytes"),
        Type::LargeList(field) => format!("list<{}>", type_name(&field.dtype)),
        Type::FixedSizeList(field, width) => format!("list<{}> of {width}", type_name(&field.dtype)),
        Type::Struct(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|field| format!("{}: {}", field.name, type_name(&field.dtype))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        Type::Timestamp(..) => "timestamp".into(),
        Type::Date32 | Type::Date64 => "date".into(),
        Type::Time32(_) | Type::Time64(_) => "time".into(),
        Type::Duration(_) => "duration".into(),
        Type::Interval(_) => "interval".into(),
        Type::Decimal(precision, scale) | Type::Decimal32(precision, scale) | Type::Decimal64(precision, scale) => {
            format!("decimal({precision}, {scale})")
        }
        Type::Decimal256(precision, scale) => format!("decimal256({precision}, {scale})"),
        other => format!("{other:?}").to_lowercase(),
    }
}
