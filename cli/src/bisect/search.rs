//! The search: halving of functions, then of the loops of those that were found.

use anyhow::Result;
use std::ops::Range;

/// A way to optimize functions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) options: &'static [&'static str],
    pub(super) meaning: &'static str,
    /// Whether there is code that is entered at loops.
    enters_loops: bool,
}

/// The ways, those first in which less happens.
pub(super) const WAYS: [Way; 3] = [
    Way {
        options: &["--tier", "optimizer"],
        meaning: "when it is optimized from the start",
        enters_loops: false,
    },
    Way {
        options: &["--tier", "auto", "--zeal", "tier"],
        meaning: "only when it changes tiers as early as possible while the program runs",
        enters_loops: true,
    },
    Way {
        options: &["--tier", "auto", "--tier-at", "50"],
        meaning: "only when it is optimized by what was noted of its first 50 entries",
        enters_loops: true,
    },
];

/// What is searched.
pub(super) struct Program<'a> {
    /// The functions that have bodies.
    pub(super) functions: Range<u32>,
    /// The offsets of a function's loops.
    pub(super) loops: &'a dyn Fn(u32) -> Result<Vec<u32>>,
}

/// A function that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) function: u32,
    /// The loops, when it is only the code that is entered there.
    pub(super) loops: Vec<u32>,
}

/// Looks for the fewest functions, and loops, that make a difference in the first way in which any do.
/// `differs` says whether what a list for `--tier-only` has does, in some way.
pub(super) fn find<'a>(
    program: &Program<'_>,
    differs: &mut impl FnMut(&'a Way, &str) -> Result<bool>,
) -> Result<Option<(&'a Way, Vec<Place>)>> {
    for way in &WAYS {
        let all = program.functions.clone();
        if all.is_empty() || !differs(way, &list(std::slice::from_ref(&all)))? {
            continue;
        }
        let found = culprits(all, &[], &mut |set| differs(way, &list(set)))?;
        let whole = |&function: &u32| Place { function, loops: Vec::new() };
        let mut places: Vec<Place> = found.iter().map(whole).collect();
        if way.enters_loops {
            for i in 0..places.len() {
                places[i].loops = loops(program, &places, i, &mut |only| differs(way, only))?;
            }
        }
        return Ok(Some((way, places)));
    }
    Ok(None)
}

/// The fewest loops of a place that make the difference together with the other places; none when it is
/// not loops alone.
fn loops(
    program: &Program<'_>,
    places: &[Place],
    position: usize,
    differs: &mut impl FnMut(&str) -> Result<bool>,
) -> Result<Vec<u32>> {
    let function = places[position].function;
    let offsets = (program.loops)(function)?;
    let others = places.iter().enumerate().filter(|other| other.0 != position);
    let others: Vec<String> = others.map(|(_, place)| place.list()).collect();
    let mut differs = |set: &[Range<u32>]| {
        let at = |range: &Range<u32>| {
            let (first, last) = (offsets[range.start as usize], offsets[range.end as usize - 1]);
            loops_of(function, first, last)
        };
        let parts: Vec<String> = others.iter().cloned().chain(set.iter().map(at)).collect();
        differs(&parts.join(","))
    };
    let all = 0..u32::try_from(offsets.len())?;
    if all.is_empty() || !differs(std::slice::from_ref(&all))? {
        return Ok(Vec::new());
    }
    let found = culprits(all, &[], &mut differs)?;
    Ok(found.into_iter().map(|position| offsets[position as usize]).collect())
}

impl Place {
    /// As `--tier-only` takes it.
    fn list(&self) -> String {
        if self.loops.is_empty() {
            return self.function.to_string();
        }
        let one = |&offset: &u32| loops_of(self.function, offset, offset);
        self.loops.iter().map(one).collect::<Vec<_>>().join(",")
    }
}

/// Loops as `--tier-only` takes them.
fn loops_of(function: u32, first: u32, last: u32) -> String {
    if first == last {
        return format!("{function}@{first:#x}");
    }
    format!("{function}@{first:#x}-{last:#x}")
}

/// The fewest of `candidates` that make a difference together with those of `context`, given that all
/// of them do: one nearly always, more where no half does it alone.
fn culprits(
    candidates: Range<u32>,
    context: &[Range<u32>],
    differs: &mut impl FnMut(&[Range<u32>]) -> Result<bool>,
) -> Result<Vec<u32>> {
    if candidates.len() <= 1 {
        return Ok(candidates.collect());
    }
    let middle = candidates.start + (candidates.end - candidates.start) / 2;
    let halves = [candidates.start..middle, middle..candidates.end];
    for half in &halves {
        if differs(&[context, std::slice::from_ref(half)].concat())? {
            return culprits(half.clone(), context, differs);
        }
    }
    let [first, second] = halves;
    let with_second = [context, std::slice::from_ref(&second)].concat();
    let mut found = culprits(first, &with_second, differs)?;
    let singles = found.iter().map(|&index| index..index + 1);
    let with_found: Vec<Range<u32>> = context.iter().cloned().chain(singles).collect();
    found.extend(culprits(second, &with_found, differs)?);
    Ok(found)
}

/// Functions as `--tier-only` takes them.
fn list(set: &[Range<u32>]) -> String {
    let text = |range: &Range<u32>| match range.len() {
        1 => range.start.to_string(),
        _ => format!("{}-{}", range.start, range.end.saturating_sub(1)),
    };
    set.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use upshift::FunctionSet;

    /// Looks for `wrong`, where a run differs when all of them are optimized.
    fn find_all(wrong: &[u32], all: Range<u32>) -> (Vec<u32>, usize) {
        let mut runs = 0;
        let mut differs = |set: &[Range<u32>]| {
            runs += 1;
            Ok(wrong.iter().all(|index| set.iter().any(|range| range.contains(index))))
        };
        let found = culprits(all, &[], &mut differs).unwrap();
        (found, runs)
    }

    /// Looks for what is planted: code of functions, and code at loops, that a run with some way differs
    /// by when all of it is there. Functions 3 to 19 have as many loops as their number says, every 16 bytes.
    fn planted(way: usize, functions: &[u32], at_loops: &[(u32, u32)]) -> Option<Vec<Place>> {
        let program = Program {
            functions: 3..20,
            loops: &|index| Ok((0..index).map(|i| index * 0x1000 + i * 0x10).collect()),
        };
        let mut runs = 0;
        let found = find(&program, &mut |tried, only| {
            runs += 1;
            let set: FunctionSet = only.parse()?;
            let here = tried == &WAYS[way];
            let mut whole = functions.iter();
            let mut loops = at_loops.iter();
            Ok(here
                && whole.all(|&index| set.contains(index, || None))
                && loops.all(|&(index, at)| set.contains_loop(index, || None, at)))
        });
        assert!(runs < 40, "{runs} runs");
        let (found_way, places) = found.unwrap()?;
        assert_eq!(found_way, &WAYS[way]);
        Some(places)
    }

    fn place(function: u32, loops: &[u32]) -> Place {
        Place { function, loops: loops.to_vec() }
    }

    #[test]
    fn one_function_is_found_by_halving() {
        for wrong in 3..1000 {
            let (found, runs) = find_all(&[wrong], 3..1000);
            assert_eq!(found, [wrong]);
            assert!(runs <= 20, "{runs} runs for {wrong}");
        }
        assert_eq!(find_all(&[7], 7..8), (vec![7], 0));
    }

    #[test]
    fn functions_that_differ_only_together_are_all_found() {
        assert_eq!(find_all(&[4, 5], 3..20).0, [4, 5]);
        assert_eq!(find_all(&[3, 11, 19], 3..20).0, [3, 11, 19]);
    }

    #[test]
    fn a_failing_run_ends_the_search() {
        assert!(culprits(0..9, &[], &mut |_| bail!("failed")).is_err());
        let program = Program { functions: 0..9, loops: &|_| bail!("failed") };
        assert!(find(&program, &mut |way, _| Ok(way == &WAYS[1])).is_err());
        assert!(find(&program, &mut |_, _| Ok(false)).unwrap().is_none());
    }

    #[test]
    fn planted_differences_are_found_in_functions_and_loops() {
        for way in 0..WAYS.len() {
            assert_eq!(planted(way, &[7], &[]), Some(vec![place(7, &[])]));
        }
        for way in 1..WAYS.len() {
            assert_eq!(planted(way, &[], &[(7, 0x7020)]), Some(vec![place(7, &[0x7020])]));
            // Two loops together, and a loop together with another function.
            let two = [(9, 0x9010), (9, 0x9080)];
            assert_eq!(planted(way, &[], &two), Some(vec![place(9, &[0x9010, 0x9080])]));
            let both = planted(way, &[4], &[(18, 0x12110)]);
            assert_eq!(both, Some(vec![place(4, &[]), place(18, &[0x12110])]));
            let loops = [(5, 0x5000), (6, 0x6050)];
            let expected = vec![place(5, &[0x5000]), place(6, &[0x6050])];
            assert_eq!(planted(way, &[], &loops), Some(expected));
        }
    }

    #[test]
    fn sets_are_lists_for_tier_only() {
        let set = [3..4, 6..9];
        assert_eq!(list(&set), "3,6-8");
        let places = [place(4, &[]), place(5, &[0x10, 0x20])];
        assert_eq!(places.map(|place| place.list()), ["4", "5@0x10,5@0x20"]);
        assert_eq!(loops_of(5, 0x10, 0x20), "5@0x10-0x20");
    }
}
