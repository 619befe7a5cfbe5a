//! Values that hold what only the host knows: `${volume.data}` is a folder there, whose path no plan contains.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text with places for volume paths; stored as the user wrote it. `$${` stands for a literal `${`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Template(Vec<Part>);

crate::schema::string_schema!(Template, "Template", "${volume.data}/guestbook.db");

/// One stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Text(String),
    /// The path of the volume of this name.
    Volume(String),
}

impl Template {
    /// A template out of its parts.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// A template that is plain text, whatever it holds.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// The parts in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The names of the volumes that the template refers to.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Volume(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with every volume replaced by what `path` says; `None` where it knows a volume not.
    pub fn fill(&self, path: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.clone()),
                Part::Volume(name) => path(name),
            })
            .collect()
    }
}

impl From<String> for Template {
    /// Never fails: what is no reference to a volume is text.
    fn from(text: String) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$${") {
                plain.push_str("${");
                rest = after;
            } else if let Some((name, after)) = rest.strip_prefix("${volume.").and_then(|r| r.split_once('}'))
            {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Volume(name.to_owned()));
                rest = after;
            } else {
                plain.push('$');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.to_string()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace("${", "$${")),
            Part::Volume(name) => write!(f, "${{volume.{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_round_trip_and_fill() {
        for text in
            ["", "plain $HOME $", "sqlite:${volume.data}/g.db", "$${volume.data}", "${volume.a}${volume.b}"]
        {
            let template = Template::from(text.to_owned());
            assert_eq!(template.to_string(), text);
            assert_eq!(Template::from(template.to_string()), template);
        }
        let template = Template::from("sqlite:${volume.data}/$${x}".to_owned());
        assert_eq!(template.fill(|name| Some(format!("/v/{name}"))).as_deref(), Some("sqlite:/v/data/${x}"));
        assert_eq!(template.fill(|_| None), None);
    }
}
