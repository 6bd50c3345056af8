//! The scalars of the language: each file holds one type, its spelling, its schema and its tests.

/// Gives a scalar of the language its schema: a string with a pattern, a description for hovering, and examples.
macro_rules! scalar_schema {
    ($type:ty, $name:literal, $description:literal, $pattern:literal, [$($example:literal),+ $(,)?]) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": $description,
                    "pattern": $pattern,
                    "examples": [$($example),+],
                })
            }
        }
    };
}
use scalar_schema;

pub mod compression;
pub mod connection;
pub mod duration;
pub mod level;
pub mod name;
pub mod percent;
pub mod placeholder;
pub mod size;
pub mod template;
pub mod zone;

pub use compression::Compression;
pub use connection::Connection;
pub use duration::Duration;
pub use level::Level;
pub use name::Name;
pub use percent::Percent;
pub use placeholder::Placeholder;
pub use size::Size;
pub use template::Template;
pub use zone::Zone;
