//! The tables as JSON and CSV.

use crate::counters::Reading;
use crate::profile::Profile;
use crate::tiers::TierReport;
use serde::Serialize;

#[derive(Serialize)]
struct Json<'a> {
    source: &'a str,
    rate_asked: u32,
    rate_reached: f64,
    samples: usize,
    samples_lost: u64,
    cpu_ms: f64,
    wall_ms: f64,
    kinds: Vec<Kind>,
    functions: Vec<Row<'a>>,
    counters: &'a [Reading],
    tiers: &'a TierReport,
}

#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    self_ms: f64,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    index: Option<u32>,
    tier: &'static str,
    self_ms: f64,
    total_ms: f64,
    samples: usize,
}

fn rows(profile: &Profile) -> Vec<Row<'_>> {
    let times = profile.times().into_iter();
    let row = |times: crate::profile::Times| {
        let function = profile.function(times.function);
        Row {
            name: &function.name,
            index: function.index,
            tier: function.category.name(),
            self_ms: times.own.as_secs_f64() * 1e3,
            total_ms: times.total.as_secs_f64() * 1e3,
            samples: times.samples,
        }
    };
    times.map(row).collect()
}

/// Everything as one JSON object.
///
/// # Errors
/// Never in practice: all keys are strings.
pub fn json(
    profile: &Profile,
    tiers: &TierReport,
    counters: &[Reading],
) -> serde_json::Result<String> {
    let kinds = profile.by_category().into_iter();
    let kind = |(category, time): (crate::Category, std::time::Duration)| Kind {
        kind: category.name(),
        self_ms: time.as_secs_f64() * 1e3,
    };
    serde_json::to_string_pretty(&Json {
        source: profile.source,
        rate_asked: profile.rate,
        rate_reached: profile.reached_rate(),
        samples: profile.samples.len(),
        samples_lost: profile.lost,
        cpu_ms: profile.cpu.as_secs_f64() * 1e3,
        wall_ms: profile.wall.as_secs_f64() * 1e3,
        kinds: kinds.map(kind).collect(),
        functions: rows(profile),
        counters,
        tiers,
    })
}

/// The functions as CSV with a head line ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)).
#[must_use]
pub fn csv(profile: &Profile) -> String {
    let mut out = String::from("function,index,tier,self_ms,total_ms,samples\r\n");
    for row in rows(profile) {
        let index = row.index.map_or(String::new(), |index| index.to_string());
        let name = quoted(&crate::printable(row.name));
        let (own, total) = (row.self_ms, row.total_ms);
        let line = format!("{name},{index},{},{own:.3},{total:.3},{}\r\n", row.tier, row.samples);
        out.push_str(&line);
    }
    out
}

/// A field in quotes. One that a spreadsheet would take for a formula gets an apostrophe.
pub(crate) fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
    }
}
