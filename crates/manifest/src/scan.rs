//! Cuts a string into plain text and references `${namespace.rest}`.

/// The namespaces of references.
pub(crate) const NAMESPACES: [&str; 3] = ["env", "service", "volume"];

/// Whose `${…}` those are that have no namespace of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// A mistake: the string is a value, and nothing else would replace them.
    Mistake,
    /// The shell's.
    Shell,
}

/// A stretch of a string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// `${…}`, with what is between the braces, and which of its like it is in the string, from 0.
    Reference { inner: &'a str, nth: usize },
    /// `${` without an end.
    Open,
}

/// The pieces of `text` in order. `$${` is a literal `${`; in a shell line only before one of the namespaces.
pub(crate) fn pieces(text: &str, others: Rest) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$').map(|found| at + found) {
        let here = &text[found..];
        let escaped = here.starts_with("$${");
        let opening = &here[usize::from(escaped)..];
        let ours = others == Rest::Mistake || is_ours(opening);
        if !opening.starts_with("${") || !ours {
            at = found + 1;
            continue;
        }
        if plain < found {
            pieces.push(Piece::Text(&text[plain..found]));
        }
        if escaped {
            pieces.push(Piece::Text(&opening[..2]));
            at = found + 3;
        } else if let Some(length) = opening.find('}') {
            let inner = &opening[2..length];
            let like = |piece: &&Piece<'_>| matches!(piece, Piece::Reference { inner: i, .. } if *i == inner);
            let nth = pieces.iter().filter(like).count();
            pieces.push(Piece::Reference { inner, nth });
            at = found + length + 1;
        } else {
            pieces.push(Piece::Open);
            at = text.len();
        }
        plain = at;
    }
    if plain < text.len() {
        pieces.push(Piece::Text(&text[plain..]));
    }
    pieces
}

fn is_ours(opening: &str) -> bool {
    let inner = opening.strip_prefix("${").unwrap_or_default();
    NAMESPACES.iter().any(|name| inner.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_lines_are_cut_differently() {
        use Piece::{Open, Reference, Text};
        let text = "a ${env.X} $${env.Y} $HOME ${HOME} ${env.X}";
        assert_eq!(
            pieces(text, Rest::Shell),
            [
                Text("a "),
                Reference { inner: "env.X", nth: 0 },
                Text(" "),
                Text("${"),
                Text("env.Y} $HOME ${HOME} "),
                Reference { inner: "env.X", nth: 1 },
            ]
        );
        assert_eq!(
            pieces("${HOME}$${x}${", Rest::Mistake),
            [Reference { inner: "HOME", nth: 0 }, Text("${"), Text("x}"), Open]
        );
        assert_eq!(pieces("$${x} $$ $", Rest::Shell), [Text("$${x} $$ $")]);
        assert_eq!(pieces("", Rest::Shell), []);
    }
}
