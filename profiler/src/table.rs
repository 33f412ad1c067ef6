//! The functions as CSV.

use crate::sampler::COUNTERS;
use crate::summary::Summary;

/// The functions as CSV with a head line ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)). What
/// was not counted is empty.
#[must_use]
pub fn csv(summary: &Summary) -> String {
    let mut out = String::from("function,index,tier,self_ms,total_ms,samples,inlined");
    COUNTERS.iter().for_each(|name| out.extend([",", name]));
    out.push_str("\r\n");
    for row in &summary.functions {
        let index = row.index.map_or(String::new(), |index| index.to_string());
        let name = quoted(&crate::printable(&row.name));
        let (tier, own, total) = (row.tier.name(), row.self_ms, row.total_ms);
        out.push_str(&format!(
            "{name},{index},{tier},{own:.3},{total:.3},{},{}",
            row.samples, row.inlined
        ));
        for counter in COUNTERS {
            let count = row.counts.get(counter).map(u64::to_string);
            out.extend([",", &count.unwrap_or_default()]);
        }
        out.push_str("\r\n");
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
