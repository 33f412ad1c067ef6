//! What a table leaves behind besides its text.

use serde_json::Value;

/// The result of one table.
pub(crate) struct Report {
    /// All samples.
    pub(crate) json: Value,
    /// The table as an image.
    pub(crate) image: Option<String>,
    /// Whether Upshift ran every program and every program printed what it should.
    pub(crate) correct: bool,
}

impl Report {
    /// Of a table that checks nothing.
    pub(crate) fn new(json: Value, image: Option<String>) -> Self {
        Self { json, image, correct: true }
    }
}
