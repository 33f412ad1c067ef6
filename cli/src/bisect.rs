//! `upshift bisect`: which function, or which loop, does something else once it is optimized.
//!
//! The program runs again and again in processes of its own, with fewer and fewer of its functions
//! optimized, and is compared with a run in the baseline only. What is compared is all that runs have
//! in common: exit code and output, how the program ended, its memories and the numbers in its globals.

mod runner;
mod search;

use crate::errors::UsageError;
use crate::inspect::{self, Functions};
use crate::output::{print, say};
use crate::run;
use crate::validate::read_module;
use anyhow::{Context, Result, bail};
use runner::{Outcome, Runner};
use search::{Place, Program, Way};
use std::collections::BTreeSet;

/// Options of `upshift bisect`: those of each run.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "upshift bisect [OPTIONS] FILE [ARGS]...",
    after_help = "The program's input is empty. What may not end once it is wrong needs a --timeout."
)]
pub(crate) struct Args {
    #[command(flatten)]
    run: run::Args,
}

/// Looks for what differs; the exit code is 1 when there is something.
pub(crate) fn execute(args: &Args) -> Result<i32> {
    if let Some(option) = args.run.not_for_bisect() {
        let problem =
            format!("{option} is not for bisect, which chooses tiers for each run itself");
        return Err(UsageError(problem).into());
    }
    let runner = Runner::new(&args.run)?;
    let reference = runner.run(REFERENCE, None)?;
    if !reference.ran {
        say(&reference.messages);
        return Ok(reference.code.unwrap_or(1).max(1));
    }
    say(&format!("baseline: {}\n", reference.summary()));
    let unsteady = unsteady(&reference, &runner.run(REFERENCE, None)?)?;
    let file = args.run.module();
    let bytes = read_module(file)?;
    let functions =
        inspect::functions(&bytes).with_context(|| format!("`{}` is malformed", file.display()))?;
    let program = Program {
        functions: functions.imported..functions.imported + functions.defined,
        loops: &|index| inspect::loops(&bytes, index - functions.imported),
    };
    let found = search::find(&program, &mut |way, only| {
        let difference = reference.difference(&runner.run(way.options, Some(only))?, &unsteady);
        let (options, verdict) = (way.options.join(" "), verdict(difference.as_deref()));
        say(&format!("{options} --tier-only {only}: {verdict}\n"));
        Ok(difference.is_some())
    })?;
    let Some((way, places)) = found else {
        return print("nothing differs\n").map(|()| 0);
    };
    print(&report(&functions, way, &places))?;
    Ok(1)
}

const REFERENCE: &[&str] = &["--tier", "baseline"];

/// What two runs of the baseline do not have in common; an error when the program does not even do
/// the same as far as its users see.
fn unsteady(first: &Outcome, second: &Outcome) -> Result<BTreeSet<String>> {
    let mut unsteady = BTreeSet::new();
    while let Some(difference) = first.difference(second, &unsteady) {
        if Outcome::VISIBLE.contains(&&*difference) {
            bail!("the program does not do the same twice in the baseline: {difference} differs");
        }
        say(&format!("{difference} is not the same twice in the baseline: it is not compared\n"));
        unsteady.insert(difference);
    }
    Ok(unsteady)
}

fn verdict(difference: Option<&str>) -> String {
    difference.map_or("the same".to_owned(), |what| format!("{what} differs"))
}

fn report(functions: &Functions<'_>, way: &Way, places: &[Place]) -> String {
    let together = match places.len() {
        0 | 1 => String::new(),
        count => format!("{count} functions together differ:\n"),
    };
    let line = |place: &Place| {
        let name = functions.names.get(&place.function).map(|name| format!(" ({name})"));
        let (name, meaning) = (name.unwrap_or_default(), way.meaning);
        let offsets: Vec<String> = place.loops.iter().map(|at| format!("{at:#x}")).collect();
        let whose = match &offsets[..] {
            [] => String::new(),
            [one] => format!(" in the code that is entered at its loop at {one},"),
            all => format!(" in the code that is entered at its loops at {},", all.join(" and ")),
        };
        format!("function {}{name} differs{whose} {meaning}\n", place.function)
    };
    together + &places.iter().map(line).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn reports_name_functions_and_loops() {
        let names = HashMap::from([(4, "main")]);
        let functions = Functions { imported: 3, defined: 9, names };
        let way = &search::WAYS[1];
        let place = |function, loops: &[u32]| Place { function, loops: loops.to_vec() };
        let one = report(&functions, way, &[place(4, &[0x1f3])]);
        let expected =
            "function 4 (main) differs in the code that is entered at its loop at 0x1f3, ";
        assert_eq!(one, format!("{expected}{}\n", way.meaning));
        let two = report(&functions, way, &[place(3, &[]), place(5, &[1, 2])]);
        assert!(two.starts_with("2 functions together differ:\nfunction 3 differs only"), "{two}");
        assert!(two.contains("its loops at 0x1 and 0x2,"), "{two}");
    }

    #[test]
    fn what_is_not_steady_is_not_compared() {
        let outcome = |output: &str, memory: &str| {
            let aspects = [("the output", output), ("memory 0", memory), ("global 0", "1")];
            Outcome::of_aspects(&aspects)
        };
        let first = outcome("x", "1");
        let ignored = unsteady(&first, &outcome("x", "2")).unwrap();
        assert_eq!(first.difference(&outcome("x", "3"), &ignored), None);
        assert_eq!(first.difference(&outcome("y", "3"), &ignored), Some("the output".to_owned()));
        assert!(unsteady(&first, &outcome("y", "1")).is_err());
        assert!(unsteady(&first, &first).unwrap().is_empty());
    }
}
