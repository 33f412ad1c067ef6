//! Just enough understanding of Rust source text for the checks of `tidy`.

use std::path::{Path, PathBuf};

/// `text` with comments, strings and character literals blanked out; line breaks stay.
#[must_use]
pub fn blank_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        let length = opaque_length(rest, previous);
        let (token, after) = rest.split_at(length.unwrap_or(c.len_utf8()));
        if length.is_some() {
            out.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push(c);
        }
        previous = c;
        rest = after;
    }
    out
}

/// The length of the comment, string or character literal that `text` starts with.
fn opaque_length(text: &str, previous: char) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment_length(text));
    }
    if text.starts_with('"') {
        return Some(quoted_length(text, '"'));
    }
    if text.starts_with('\'') {
        return char_length(text);
    }
    let in_word = previous.is_alphanumeric() || previous == '_';
    if !in_word {
        return raw_string_length(text);
    }
    None
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0;
    let mut i = 0;
    while i < text.len() {
        let rest = &text.as_bytes()[i..];
        if rest.starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    text.len()
}

/// The length of a literal in `quote`s with backslash escapes.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; `None` for a lifetime.
fn char_length(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    let first = chars.next()?;
    let second = chars.next()?;
    (first == '\\' || second == '\'').then(|| quoted_length(text, '\''))
}

/// The length of `r"…"`, `r#"…"#`, `br"…"` and `c"…"` literals.
fn raw_string_length(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"].iter().find(|prefix| text.starts_with(**prefix))?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if !rest[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = prefix.len() + hashes + 1;
    Some(text[body..].find(&end).map_or(text.len(), |at| body + at + end.len()))
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of the `fn`, from 1.
    pub line: usize,
    /// Lines of the body that hold code.
    pub code_lines: usize,
}

/// All functions in `blanked`, the result of [`blank_comments_and_strings`].
#[must_use]
pub fn functions(blanked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in words(blanked).filter(|&(_, word)| word == "fn") {
        let rest = &blanked[at + 2..];
        let Some(open) = body_start(rest) else { continue };
        let Some(body) = braced(&rest[open..]) else { continue };
        let name = rest.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
        found.push(Function {
            name: name.into_iter().next().unwrap_or_default().to_owned(),
            line: blanked[..at].matches('\n').count() + 1,
            code_lines: body.lines().filter(|line| !line.trim().is_empty()).count(),
        });
    }
    found
}

/// Where the body of the function starts whose signature `text` goes on with; `None` for a
/// declaration without body and for function pointer types.
fn body_start(text: &str) -> Option<usize> {
    if text.starts_with('(') {
        return None;
    }
    let mut depth = 0_i32;
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => {
                depth -= 1;
                if depth < 0 {
                    return None;
                }
            }
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

/// The text within the braces that `text` starts with.
fn braced(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(&text[1..i]);
                }
            }
            _ => {}
        }
    }
    None
}

/// All words (identifiers and keywords) with their offsets.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(is_word)?;
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let at = text.len() - rest.len() + start;
        rest = &word[end..];
        Some((at, &word[..end]))
    })
}

/// The files that `file` declares as modules (`mod name;`). The modules of a test `tests/x.rs` lie in
/// `tests/x`, which it says with `#[path]`.
#[must_use]
pub fn declared_modules(file: &Path, blanked: &str) -> Vec<PathBuf> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let parent = file.parent().unwrap_or(Path::new(""));
    let is_root = matches!(stem, "lib" | "main" | "mod")
        || parent.ends_with("src/bin")
        || parent.ends_with("examples");
    let directory = if is_root { parent.to_owned() } else { parent.join(stem) };
    // A test is the root of a crate; with `#[path]` it may have a folder of its own all the same.
    let beside = parent.ends_with("tests").then(|| parent.to_owned());
    let mut found = Vec::new();
    for (at, _) in words(blanked).filter(|&(_, word)| word == "mod") {
        let Some((name, _)) = blanked[at + 3..].split_once(';') else { continue };
        let name = name.trim();
        if name.is_empty() || name.contains(|c: char| !c.is_alphanumeric() && c != '_') {
            continue;
        }
        for directory in beside.iter().chain([&directory]) {
            found.push(directory.join(format!("{name}.rs")));
            found.push(directory.join(name).join("mod.rs"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_go() {
        let text = "a /* b /* c */ d */ e // f\n\"g\\\" {\" 'h' 'static r#\"{\"# '\\'' i";
        let blanked = blank_comments_and_strings(text);
        let left: Vec<_> = words(&blanked).map(|(_, word)| word).collect();
        assert_eq!(left, ["a", "e", "static", "i"]);
        assert_eq!(blanked.len(), text.len());
        assert!(!blanked.contains('{'));
    }

    #[test]
    fn functions_are_measured() {
        let text =
            "fn a(f: fn(u8) -> [u8; 2]) -> u8 {\n  x;\n\n  y\n}\ntrait T { fn b(); }\nfn c() {}";
        let found = functions(text);
        let seen: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.code_lines)).collect();
        assert_eq!(seen, [("a", 1, 2), ("c", 7, 0)]);
    }

    #[test]
    fn modules_are_found() {
        let found = declared_modules(Path::new("x/src/ops.rs"), "pub(crate) mod int;\nmod t { }");
        assert_eq!(found[0], Path::new("x/src/ops/int.rs"));
        assert_eq!(found.len(), 2);
    }
}
