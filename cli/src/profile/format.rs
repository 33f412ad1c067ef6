//! What can be written, and which mode has it.

use crate::errors::UsageError;

/// A value of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// The report, also as report.txt.
    Text,
    /// profile.json: functions, counters, tiers; counts.json in the mode exact.
    Json,
    /// functions.csv, tiers.csv and others; counts.csv in the mode exact.
    Csv,
    /// stacks.folded, for flamegraph tools.
    Folded,
    /// flamegraph.svg, coloured by tier.
    Svg,
    /// firefox.json, for profiler.firefox.com.
    Firefox,
    /// compile-trace.json, for Perfetto and chrome://tracing.
    Chrome,
    /// timeline.html: functions and tiers over time.
    Timeline,
    /// profile.pb.gz, for pprof.
    Pprof,
    /// perf-PID.map, for tools that look addresses up there.
    Perfmap,
    /// jit-PID.dump, for `perf inject --jit`; written while the program runs.
    Jitdump,
    /// Everything that the mode has.
    All,
}

/// A value of `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// Sample the program's thread.
    Sample,
    /// Take no samples.
    Tiers,
    /// Count every entry, turn of a loop, operator and call, in baseline code.
    Exact,
}

impl Mode {
    /// Checks that the mode has all these formats.
    pub(super) fn check(self, formats: &[Format]) -> Result<(), UsageError> {
        let Some(missing) = formats.iter().find(|&&format| !self.has(format)) else {
            return Ok(());
        };
        let has = <Format as clap::ValueEnum>::value_variants().iter().copied();
        let has: Vec<String> = has.filter(|&format| self.has(format)).map(name).collect();
        Err(UsageError(format!(
            "--mode {} has no format `{}`; it has {}",
            name(self),
            name(*missing),
            has.join(", ")
        )))
    }

    fn has(self, format: Format) -> bool {
        let of_samples =
            matches!(format, Format::Folded | Format::Svg | Format::Firefox | Format::Pprof);
        match self {
            Self::Sample => true,
            Self::Tiers => !of_samples,
            Self::Exact => {
                let own = matches!(format, Format::Text | Format::Json | Format::Csv);
                own || matches!(format, Format::Jitdump | Format::All)
            }
        }
    }

    /// Whether `format` is written when these are asked for.
    pub(super) fn writes(self, format: Format, asked: &[Format]) -> bool {
        self.has(format) && (asked.contains(&format) || asked.contains(&Format::All))
    }
}

/// How the command line calls it.
fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_say_what_they_have() {
        let error = Mode::Exact.check(&[Format::Text, Format::Svg]).unwrap_err();
        assert_eq!(
            error.0,
            "--mode exact has no format `svg`; it has text, json, csv, jitdump, all"
        );
        assert!(Mode::Tiers.check(&[Format::All, Format::Timeline]).is_ok());
        assert!(!Mode::Tiers.writes(Format::Svg, &[Format::All]));
        assert!(Mode::Sample.writes(Format::Svg, &[Format::All]));
    }
}
