//! [`FunctionSet`]: functions, and loops of functions, by index and by name.

use super::module::Module;
use anyhow::{Context, bail, ensure};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::module::Body;

/// A set of functions of any module, by index (imports count) and by name, and of loops in functions
/// that are not in the set themselves.
///
/// ```
/// let set: upshift::FunctionSet = "3,10-12,main,7@0x1f3".parse()?;
/// assert!(set.contains(11, || None) && set.contains(99, || Some("main")));
/// assert!(!set.contains(4, || Some("other")));
/// assert!(!set.contains(7, || None) && set.contains_loop(7, || None, 0x1f3));
/// # Ok::<(), upshift::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionSet {
    parts: Vec<Part>,
}

/// What stands between two commas.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    functions: Functions,
    /// Only the loops of these functions whose operators are at these offsets in the module.
    loops: Option<RangeInclusive<u32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Functions {
    Indices(RangeInclusive<u32>),
    Name(String),
}

impl FunctionSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the functions with these indices.
    pub fn add_range(&mut self, range: RangeInclusive<u32>) -> &mut Self {
        self.parts.push(Part { functions: Functions::Indices(range), loops: None });
        self
    }

    /// Adds the functions with this name.
    pub fn add_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.parts.push(Part { functions: Functions::Name(name.into()), loops: None });
        self
    }

    /// Adds loops of a function: those whose operators are at these offsets in the module.
    pub fn add_loops(&mut self, func: u32, offsets: RangeInclusive<u32>) -> &mut Self {
        let functions = Functions::Indices(func..=func);
        self.parts.push(Part { functions, loops: Some(offsets) });
        self
    }

    /// Whether a function is in the set.
    pub fn contains<'a>(&self, index: u32, name: impl Fn() -> Option<&'a str>) -> bool {
        self.parts.iter().any(|part| part.loops.is_none() && part.functions.has(index, &name))
    }

    /// Whether a loop is in the set, by itself or with its function.
    pub fn contains_loop<'a>(
        &self,
        index: u32,
        name: impl Fn() -> Option<&'a str>,
        offset: u32,
    ) -> bool {
        let mut parts = self.parts.iter().filter(|part| part.functions.has(index, &name));
        parts.any(|part| part.loops.as_ref().is_none_or(|loops| loops.contains(&offset)))
    }

    /// What the set has of no function with a body of a module: as a list has it.
    #[must_use]
    pub fn unmatched(&self, module: &Module) -> Vec<String> {
        let declarations = module.declarations();
        let mut unmatched: Vec<&Part> = self.parts.iter().collect();
        for (i, body) in declarations.bodies.iter().enumerate() {
            let index = declarations.func_index(DefinedFuncIndex::new(i)).0;
            let name = || module.function_name(index);
            unmatched.retain(|part| !(part.functions.has(index, &name) && part.has_code_in(body)));
            if unmatched.is_empty() {
                break;
            }
        }
        unmatched.into_iter().map(ToString::to_string).collect()
    }
}

impl Part {
    fn has_code_in(&self, body: &Body) -> bool {
        let Some(loops) = &self.loops else { return true };
        (0..body.loops.len()).any(|position| loops.contains(&body.loop_offset(position)))
    }
}

impl Functions {
    fn has<'a>(&self, index: u32, name: &impl Fn() -> Option<&'a str>) -> bool {
        match self {
            Self::Indices(range) => range.contains(&index),
            Self::Name(wanted) => name().is_some_and(|name| name == wanted),
        }
    }
}

/// Parses a list like `3,10-12,20-,main,7@0x1f3`: indices, ranges of indices with both ends, without
/// their end, or without their start, and names; behind an `@` the offset of a loop, or those of the
/// first and the last one. Commas within brackets are part of a name: `f(int, int)`. A part that is no
/// range is a name.
impl FromStr for FunctionSet {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = split(text)?.into_iter().map(str::trim).filter(|part| !part.is_empty());
        Ok(Self { parts: parts.map(str::parse).collect::<Result<_, _>>()? })
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = |functions| Self { functions, loops: None };
        let Some((before, after)) = text.rsplit_once('@').filter(|parts| !parts.0.is_empty())
        else {
            return text.parse().map(whole);
        };
        let functions = before.parse()?;
        match (parse_offsets(after)?, &functions) {
            (Some(loops), _) => Ok(Self { functions, loops: Some(loops) }),
            (None, Functions::Indices(_)) => {
                bail!("`{after}` is no offset of a loop: they are written as 0x1f3")
            }
            // Names may have such a character.
            (None, Functions::Name(_)) => text.parse().map(whole),
        }
    }
}

impl FromStr for Functions {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (start, end) = text.split_once('-').unwrap_or((text, text));
        if !is_number(start) || !is_number(end) || text == "-" || text.is_empty() {
            return Ok(Self::Name(text.to_owned()));
        }
        let number = |text: &str, empty: u32| match text {
            "" => Ok(empty),
            _ => text.parse().with_context(|| format!("`{text}` is no index of a function")),
        };
        let (start, end) = (number(start, 0)?, number(end, u32::MAX)?);
        ensure!(start <= end, "`{text}` ends before it begins");
        Ok(Self::Indices(start..=end))
    }
}

/// `0x1f3` or `0x1f3-0x2ff`; `None` for anything else.
fn parse_offsets(text: &str) -> anyhow::Result<Option<RangeInclusive<u32>>> {
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let Some((start, end)) = number(start).zip(number(end)) else { return Ok(None) };
    ensure!(start <= end, "`{text}` ends before it begins");
    Ok(Some(start..=end))
}

/// The parts between commas that are not within brackets.
fn split(text: &str) -> anyhow::Result<Vec<&str>> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            ',' if open.is_empty() => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            '<' | '>' if is_sign(&text[..i], c) => {}
            '<' => open.push('>'),
            ')' | ']' | '}' | '>' => {
                ensure!(open.pop() == Some(c), "`{}` closes nothing: {BRACKETS}", &text[..=i]);
            }
            _ => {}
        }
    }
    ensure!(open.is_empty(), "`{}` lacks a closing bracket: {BRACKETS}", &text[start..]);
    parts.push(&text[start..]);
    Ok(parts)
}

/// What to do about names with other brackets.
const BRACKETS: &str = "give a function with such a name by its index";

/// Whether `c` is no bracket behind this: that of `operator<`, or of an arrow.
fn is_sign(before: &str, c: char) -> bool {
    let arrow = c == '>' && before.ends_with(['-', '=']);
    let operator = before.trim_end_matches(['<', '>', '=', '-']).strip_suffix("operator");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    arrow || operator.is_some_and(|before| !before.ends_with(is_word))
}

/// As a list has it.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.functions {
            Functions::Name(name) => f.write_str(name),
            Functions::Indices(range) => {
                let (start, end) = (range.start(), range.end());
                match *end {
                    _ if start == end => write!(f, "{start}"),
                    u32::MAX => write!(f, "{start}-"),
                    _ => write!(f, "{start}-{end}"),
                }
            }
        }?;
        match &self.loops {
            None => Ok(()),
            Some(loops) if loops.start() == loops.end() => write!(f, "@{:#x}", loops.start()),
            Some(loops) => write!(f, "@{:#x}-{:#x}", loops.start(), loops.end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    fn parse(text: &str) -> FunctionSet {
        text.parse().unwrap()
    }

    fn refusal(text: &str) -> String {
        text.parse::<FunctionSet>().unwrap_err().to_string()
    }

    #[test]
    fn lists_are_parsed() {
        let set = parse("3, 10-12,20-,main,a-b");
        let has = |index| set.contains(index, || None);
        assert!(has(3) && has(10) && has(12) && has(20) && has(u32::MAX));
        assert!(!has(2) && !has(13));
        assert!(set.contains(0, || Some("main")) && set.contains(0, || Some("a-b")));
        assert!(!set.contains(0, || Some("b")));
        let below = parse("-5");
        assert!(below.contains(0, || None) && !below.contains(6, || None));
        assert_eq!(parse(""), FunctionSet::new());
        assert!(refusal("12-3").contains("ends before"));
        assert!(refusal("99999999999").contains("no index"));
    }

    #[test]
    fn commas_within_brackets_are_part_of_a_name() {
        let names = [
            "f(int, char)",
            "std::map<int, std::pair<a, b>>::at[abi:v1,x]",
            "operator<(a, b)",
            "operator<=>(a, b)",
            "x::operator->(a, b)",
            "<impl Fn(u32, u32) -> u32>::call",
            "main::{closure, 1}",
        ];
        let set = parse(&format!("1,{},2-3", names.join(",")));
        for name in names {
            assert!(set.contains(9, || Some(name)), "{name}");
        }
        assert!(set.contains(1, || None) && set.contains(3, || None));
        assert!(!set.contains(9, || Some("f(int")));
        assert!(refusal("f(a,b").contains("lacks a closing"));
        assert!(refusal("f)a").contains("closes nothing"));
    }

    #[test]
    fn loops_are_behind_an_at() {
        let set = parse("7@0x1f3,8@0x10-0x20,f(a,b)@0x7,g@v2,9");
        let has = |index, offset| set.contains_loop(index, || None, offset);
        assert!(has(7, 0x1f3) && !has(7, 0x1f4) && !has(6, 0x1f3));
        assert!(has(8, 0x10) && has(8, 0x20) && !has(8, 0x21) && has(9, 1));
        assert!(!set.contains(7, || None) && set.contains(9, || None));
        assert!(set.contains_loop(1, || Some("f(a,b)"), 7) && !set.contains(1, || Some("f(a,b)")));
        assert!(set.contains(1, || Some("g@v2")));
        assert!(refusal("7@12").contains("0x1f3") && refusal("7@0x2-0x1").contains("ends before"));
        let mut made = FunctionSet::new();
        made.add_loops(7, 0x1f3..=0x1f3).add_loops(8, 0x10..=0x20);
        assert_eq!(made, parse("7@0x1f3,8@0x10-0x20"));
    }

    #[test]
    fn what_matches_nothing_is_told() {
        let text = r#"(module (import "a" "b" (func)) (func $f) (func $g (loop (nop))))"#;
        let module = Module::new(&Engine::default(), text).unwrap();
        let unmatched = |list| parse(list).unmatched(&module);
        assert!(unmatched("1,f,2-,-9,2@0x0-0xffff,g").is_empty());
        let strangers = "0,3-7,4-,h,1@0x0-0xffff,2@0x1,h@0x5";
        assert_eq!(unmatched(strangers).join(","), strangers);
    }
}
