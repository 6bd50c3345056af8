//! The shapes that values come in: lists, mappings of names, mappings in full or in short, mappings of known keys.
//!
//! The macro `document!` makes a struct, its schema, its list of keys and its reader from one declaration, so that they
//! cannot drift.

use super::{
    hints,
    read::{Named, Read, Reader},
};
use crate::policy::{
    Span, Spanned,
    problem::{Code, Problem, masked},
    yaml::{Entry, Kind, Node},
};

/// A mapping that can also be written as its most important value alone.
pub(in crate::policy) trait Shorthand: Read {
    /// The value that stands for the whole.
    type Alone: Read;

    /// How that value is written, for the help.
    const ALONE: &'static str;

    /// What it stands for.
    fn alone(value: Self::Alone, span: Span) -> Self;
}

impl<T: Read> Read for Vec<T> {
    const WHAT: &'static str = "a list";
    const EXAMPLE: &'static str = T::EXAMPLE;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::List(items) => Some(items.iter().filter_map(|item| reader.item(item)).collect()),
            Kind::Scalar(scalar) if !scalar.is_null() => {
                let written = masked(reader.slice(node.span));
                let message = format!("{} must be a list, not a single value", reader.subject());
                let hint = reader.key().and_then(|key| hints::of_value(&key.value, node));
                let help = hint.map_or_else(
                    || {
                        let is_plain = |name: &str| {
                            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
                        };
                        let names = written.trim_matches(['"', '\'']).split(',').map(str::trim);
                        let names: Vec<_> = names
                            .map(|name| if is_plain(name) { name.to_owned() } else { format!("\"{name}\"") })
                            .collect();
                        match names.as_slice() {
                            _ if written.contains('\n') => {
                                format!("write it in brackets: `[{}]`", T::EXAMPLE)
                            }
                            [_] if written.starts_with(['"', '\'']) => {
                                format!("write it in brackets: `[{written}]`")
                            }
                            [_] if written.contains(['"', '\\']) => {
                                format!("write it in brackets: `['{written}']`")
                            }
                            several => format!("write it in brackets: `[{}]`", several.join(", ")),
                        }
                    },
                    str::to_owned,
                );
                reader.note(
                    Problem::error(Code::WrongType, message, help)
                        .label(reader.first_line(node.span), "no list"),
                );
                None
            }
            Kind::Map(entries) => {
                let items: Option<Vec<_>> = entries.iter().map(|entry| T::item_of(entry, reader)).collect();
                let items = items.map_or_else(|| T::EXAMPLE.to_owned(), |items| items.join(", "));
                reader.wrong(node, Self::WHAT, &format!("[{items}]"))
            }
            Kind::Scalar(_) => reader.wrong(node, Self::WHAT, &format!("[{}]", T::EXAMPLE)),
        }
    }
}

/// A mapping from names of the author's choice; a value that could not be read is `None`, and its name is still known.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Map<T> {
    /// The entries in the order written.
    pub(in crate::policy) entries: Vec<(Spanned<String>, Option<T>)>,
}

impl<T: Read> Read for Map<T> {
    const WHAT: &'static str = "a mapping";
    const EXAMPLE: &'static str = "{name: …}";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let what = "a mapping of names";
        if let Kind::List(items) = &node.kind
            && let Some(Node { kind: Kind::Map(entries), .. }) = items.first()
            && let [named] = entries.as_slice()
        {
            let name = &named.key.value;
            return reader.wrong_with(node, what, format!("remove the `-` before each name: `{name}: …`"));
        }
        let entries = reader.mapping(node, what, &format!("{{name: {}}}", T::EXAMPLE))?;
        if entries.is_empty() {
            let (key, span) = match reader.key() {
                Some(key) => (key.value.clone(), key.span),
                None => (String::new(), node.span),
            };
            let help = format!("declare at least one, as in `{key}: {{name: {}}}`", T::EXAMPLE);
            reader.note(
                Problem::error(Code::Empty, format!("`{key}` declares nothing"), help).label(span, "empty"),
            );
        }
        let named = |(n, entry): (usize, &Entry)| {
            // The nearest name above it; keys that slipped out beside it are none.
            let before = entries[..n].iter().rev().find(|entry| !T::KEYS.contains(&entry.key.value.as_str()));
            match reader.named(entry, before) {
                Named::Value(value) => Some((entry.key.clone(), value)),
                Named::Misplaced => None,
            }
        };
        Some(Self { entries: entries.iter().enumerate().filter_map(named).collect() })
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Map<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" },
            "minProperties": 1,
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// A mapping in full, or in short.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Short<T>(pub(in crate::policy) T);

impl<T: Shorthand> Read for Short<T> {
    const WHAT: &'static str = <T::Alone as Read>::WHAT;
    const EXAMPLE: &'static str = T::ALONE;
    const KEYS: &'static [&'static str] = <T as Read>::KEYS;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => T::read(node, reader).map(Self),
            Kind::Scalar(_) => T::Alone::read(node, reader).map(|value| Self(T::alone(value, node.span))),
            Kind::List(_) => {
                let what = format!("{} or a mapping", Self::WHAT);
                reader.wrong(node, &what, Self::EXAMPLE)
            }
        }
    }
}

impl<T: Shorthand + schemars::JsonSchema> schemars::JsonSchema for Short<T>
where
    T::Alone: schemars::JsonSchema,
{
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Short_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let alone = generator.subschema_for::<T::Alone>();
        let full = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [alone, full] })
    }
}

/// The keys of a mapping that are written, in the order written, each with its place.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Keys(pub(super) Vec<(&'static str, Span)>);

impl Keys {
    /// Where a key stands.
    pub(in crate::policy) fn get(&self, key: &str) -> Option<Span> {
        self.0.iter().find(|(written, _)| *written == key).map(|(_, span)| *span)
    }

    /// Where the first key stands.
    pub(in crate::policy) fn first(&self) -> Option<Span> {
        self.0.first().map(|(_, span)| *span)
    }

    pub(in crate::policy) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A mapping that is rarely written, so that what holds it stays small without it.
impl<T: Read> Read for Box<T> {
    const WHAT: &'static str = T::WHAT;
    const EXAMPLE: &'static str = T::EXAMPLE;
    const KEYS: &'static [&'static str] = T::KEYS;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(Self::new)
    }
}

/// Declares a mapping of the language: the struct, its schema, its keys and its reader.
///
/// Every field is optional in the struct, because it may be missing or unreadable; `[required]` makes the reader and
/// the schema ask for it.
macro_rules! document {
    (
        $(#[$meta:meta])*
        $name:ident = $example:literal {
            $($(#[$field_meta:meta])* $field:ident $([$required:ident = $write:literal])? : $type:ty,)*
        }
    ) => {
        #[derive(Debug, Clone, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        pub(in crate::policy) struct $name {
            $($(#[$field_meta])* $(#[schemars($required)])? pub(in crate::policy) $field: Option<$type>,)*
            /// Where each key stands that is written.
            #[schemars(skip)]
            #[allow(dead_code, reason = "not every mapping is asked for the places of its keys")]
            pub(in crate::policy) keys: $crate::policy::document::shapes::Keys,
            /// Where it stands.
            #[schemars(skip)]
            #[allow(dead_code, reason = "not every mapping is asked for its place")]
            pub(in crate::policy) span: crate::policy::Span,
        }

        impl $crate::policy::document::read::Read for $name {
            const WHAT: &'static str = "a mapping";
            const EXAMPLE: &'static str = $example;
            const KEYS: &'static [&'static str] = &[$(stringify!($field),)*];

            fn read(
                node: &$crate::policy::yaml::Node,
                reader: &mut $crate::policy::document::read::Reader<'_>,
            ) -> Option<Self> {
                let entries = reader.mapping(node, Self::WHAT, Self::EXAMPLE)?;
                let mut document = Self { span: node.span, ..Self::default() };
                for entry in entries {
                    match entry.key.value.as_str() {
                        $(stringify!($field) => {
                            document.keys.0.push((stringify!($field), entry.key.span));
                            document.$field = reader.value(entry);
                        })*
                        _ => reader.unknown_key(stringify!($name), entry, Self::KEYS),
                    }
                }
                $($(
                    reader.require(stringify!($name), entries, node, stringify!($field), $write, Self::KEYS);
                )?)*
                Some(document)
            }
        }
    };
}
pub(super) use document;
