//! What a check's answer must be, in all its spellings.

use super::{
    read::{Read, Reader},
    shapes::document,
};
use crate::policy::{
    Span, Spanned,
    model::{Expectation, Scalar},
    nearest::nearest,
    problem::{Code, Problem},
    values::{Duration, Percent},
    yaml::{Kind, Node},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A check's expectation and its place.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ExpectationDocument(pub(in crate::policy) Spanned<Expectation>);

document! {
    /// An expectation that is not a comparison with a value; exactly one of these.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    RelativeExpectation = "{max_age: 3d}" {
        /// The answer is a time no older than this when the backup is made. A time without offset is UTC.
        max_age: Spanned<Duration>,
        /// The answer is at most so much smaller than in the newest proven backup.
        max_drop: Spanned<Percent>,
        /// The answer is at most so much larger than in the newest proven backup.
        max_growth: Spanned<Percent>,
    }
}

/// The words that stand alone.
const KEYWORDS: [(&str, Expectation); 3] = [
    ("same_as_source", Expectation::SameAsSource),
    ("empty", Expectation::Empty),
    ("not_empty", Expectation::NotEmpty),
];

const FORMS: &str = "write a value, `\">= 65\"`, `\"!= 0\"`, `\"65..70\"`, `{max_age: 3d}`, `same_as_source`, `empty` or `not_empty`";

impl Read for ExpectationDocument {
    const WHAT: &'static str = "an expectation";
    const EXAMPLE: &'static str = "\">= 1\"";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let expectation = match &node.kind {
            Kind::Map(_) => relative(node, reader),
            Kind::Scalar(scalar) if scalar.is_bool() => {
                Some(Expectation::Equal(Scalar::Text(scalar.text.clone())))
            }
            Kind::Scalar(scalar) if scalar.is_number() => {
                number(&scalar.text).map(|number| Expectation::Equal(Scalar::Number(number))).or_else(|| {
                    bad(reader, node.span, &format!("`{}` is not a number that can be compared", scalar.text))
                })
            }
            Kind::Scalar(_) => {
                let text = reader.text(node, Self::WHAT, Self::EXAMPLE)?;
                written(text.value, node.span, reader)
            }
            Kind::List(_) => bad(reader, node.span, "an expectation is one value, not a list"),
        };
        expectation.map(|expectation| Self(Spanned::new(expectation, node.span)))
    }
}

fn relative(node: &Node, reader: &mut Reader<'_>) -> Option<Expectation> {
    let before = reader.problems.len();
    let document = RelativeExpectation::read(node, reader)?;
    let forms: Vec<Expectation> = [
        document.max_age.map(|age| Expectation::MaxAge(age.value)),
        document.max_drop.map(|drop| Expectation::MaxDrop(drop.value)),
        document.max_growth.map(|growth| Expectation::MaxGrowth(growth.value)),
    ]
    .into_iter()
    .flatten()
    .collect();
    match <[Expectation; 1]>::try_from(forms) {
        Ok([one]) => Some(one),
        Err(_) if reader.problems.len() > before => None,
        Err(many) => {
            let message = format!(
                "an expectation is exactly one of `max_age`, `max_drop` and `max_growth`, not {}",
                many.len()
            );
            let help = "write one, and a check of its own for each further one";
            reader.note(Problem::error(Code::ExactlyOne, message, help).label(node.span, ""));
            None
        }
    }
}

/// An expectation written as text.
fn written(text: &str, span: Span, reader: &mut Reader<'_>) -> Option<Expectation> {
    let text = text.trim();
    if let Some((_, keyword)) = KEYWORDS.iter().find(|(word, _)| *word == text) {
        return Some(keyword.clone());
    }
    if text.is_empty() {
        return bad(reader, span, "this expectation is empty text");
    }
    let operators = [">=", "<=", "!=", "==", "=>", "=<", "<>", ">", "<", "="];
    if let Some((operator, value)) =
        operators.iter().find_map(|op| Some((*op, text.strip_prefix(op)?.trim())))
    {
        return compared(operator, value, span, reader);
    }
    if let Some((low, high)) = text.split_once("...") {
        let help = format!("write \"{}..{}\"", low.trim(), high.trim_start_matches('.').trim());
        reader.note(Problem::error(Code::BadExpectation, "a range has two dots", help).label(span, ""));
        return None;
    }
    if let Some((low, high)) = text.split_once("..")
        && let (Some(low), Some(high)) = (number(low.trim()), number(high.trim()))
    {
        if low > high {
            let help = format!("write the smaller number first: \"{high}..{low}\"");
            let message = "no number lies in this range: its end is below its beginning";
            reader.note(Problem::error(Code::BadExpectation, message, help).label(span, ""));
            return None;
        }
        return Some(Expectation::Between(low, high));
    }
    if let Some(near) = nearest(text, KEYWORDS.iter().map(|(word, _)| *word)) {
        let message = format!("this compares the answer with the text `{text}`; is `{near}` meant?");
        let help = format!("write `{near}`, or \"= {text}\" to compare with the text");
        reader.note(Problem::new(Code::NearKeyword, message, help).label(span, ""));
    }
    Some(Expectation::Equal(scalar(text)))
}

fn compared(operator: &str, value: &str, span: Span, reader: &mut Reader<'_>) -> Option<Expectation> {
    if let Some((_, right)) =
        [("==", "="), ("=>", ">="), ("=<", "<="), ("<>", "!=")].iter().find(|(wrong, _)| *wrong == operator)
    {
        let help = format!("write \"{right} {value}\"");
        let message = format!("`{operator}` is not a comparison here");
        reader.note(Problem::error(Code::BadExpectation, message, help).label(span, ""));
        return None;
    }
    if value.is_empty() {
        return bad(reader, span, &format!("nothing follows `{operator}`"));
    }
    let make = match operator {
        "=" => return Some(Expectation::Equal(scalar(value))),
        "!=" => return Some(Expectation::NotEqual(scalar(value))),
        ">=" => Expectation::AtLeast,
        "<=" => Expectation::AtMost,
        ">" => Expectation::MoreThan,
        _ => Expectation::LessThan,
    };
    match number(value) {
        Some(number) => Some(make(number)),
        None => bad(reader, span, &format!("`{operator}` compares numbers, and `{value}` is none")),
    }
}

fn bad<T>(reader: &mut Reader<'_>, span: Span, message: &str) -> Option<T> {
    reader.note(Problem::error(Code::BadExpectation, message, FORMS).label(span, ""));
    None
}

fn scalar(text: &str) -> Scalar {
    number(text).map_or_else(|| Scalar::Text(text.to_owned()), Scalar::Number)
}

/// A finite decimal number, and not the words that Rust also reads as one.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit());
    text.parse::<f64>().ok().filter(|number| numeric && number.is_finite())
}

impl JsonSchema for ExpectationDocument {
    fn schema_name() -> Cow<'static, str> {
        "Expectation".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What the answer must be: a value; \"= 5\", \">= 65\", \"< 1000\", \"!= 0\"; \"65..70\", both \
                included; {max_age: 3d}; {max_drop: 0%} or {max_growth: 50%} against the newest proven backup; \
                same_as_source; empty; not_empty. No answer fails unless `empty` is expected.",
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                generator.subschema_for::<RelativeExpectation>(),
            ],
            "examples": [">= 65", "!= 0", "65..70", "same_as_source", "empty", "not_empty", { "max_age": "3d" }],
        })
    }
}
