//! The language: text → document → policy, and everything that can be wrong with it.

pub mod model;
pub mod span;
pub mod values;
pub mod variables;

pub use model::Policy;
pub use span::{Span, Spanned};

use std::{path::PathBuf, sync::Arc};

/// The text of one policy file, for drawing.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's path as the user named it; shown in messages.
    pub name: String,
    /// The folder that relative paths belong to, absolute.
    pub folder: PathBuf,
    /// The text, without BOM; spans are byte offsets into it.
    pub text: Arc<str>,
}
