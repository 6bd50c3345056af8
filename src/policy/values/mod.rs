//! The scalars of the language: each file holds one type, its spelling, its schema and its tests.

pub mod compression;
pub mod duration;
pub mod level;
pub mod name;
pub mod percent;
pub mod size;
pub mod template;

pub use compression::Compression;
pub use duration::Duration;
pub use level::Level;
pub use name::Name;
pub use percent::Percent;
pub use size::Size;
pub use template::Template;
