//! The page: columns side by side that scroll on their own, and begin where most samples are. Lines that come of
//! the same operator light up together.

use std::fmt::Write;
use upshift_profiler::printable;

/// What is shown of a function.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) columns: Vec<Column>,
}

/// One form of the function.
pub(super) struct Column {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

/// An operator or an instruction.
pub(super) struct Line {
    /// Offset of the operator in the module, where it is known.
    pub(super) operator: Option<usize>,
    pub(super) samples: u64,
    pub(super) text: String,
}

const STYLE: &str = "body{font:13px sans-serif;margin:1em}\
.c{display:flex;gap:8px}.c>div{flex:1;min-width:0}\
h3{font-size:13px;margin:4px 0}\
pre{font:11px monospace;height:80vh;overflow:auto;border:1px solid #ccc;margin:0;padding:4px}\
pre div{white-space:pre}pre div.on{background:#cfe3ff}\
b{display:inline-block;width:5em;margin-right:1em;text-align:right;font-weight:normal;color:#a00}";

/// Scrolls to where most samples are. Lights up what comes of the operator under the pointer; a click scrolls the
/// other columns there.
const SCRIPT: &str = "for(const s of document.querySelectorAll('section')){\
const all=o=>s.querySelectorAll('[data-o=\"'+o+'\"]');\
const at=e=>{const l=e.target.closest('[data-o]');return l&&l.dataset.o};\
const show=(p,l)=>{if(l)p.scrollTop=l.offsetTop-p.offsetTop-p.clientHeight/3};\
for(const p of s.querySelectorAll('pre'))show(p,p.querySelector('[data-most]'));\
let on=[];\
s.addEventListener('mouseover',e=>{for(const l of on)l.classList.remove('on');\
const o=at(e);on=o?all(o):[];for(const l of on)l.classList.add('on')});\
s.addEventListener('click',e=>{const o=at(e);if(!o)return;const here=e.target.closest('pre');\
for(const p of s.querySelectorAll('pre'))if(p!==here)show(p,p.querySelector('[data-o=\"'+o+'\"]'))})}";

/// The whole page around `sections`.
pub(super) fn html(title: &str, sections: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>{}</title>\n\
         <style>{STYLE}</style></head>\n<body>\n{sections}<script>{SCRIPT}</script></body></html>\n",
        escaped(title)
    )
}

/// The part of one function.
pub(super) fn section(page: &Page) -> String {
    let mut out = String::new();
    put(&mut out, &format!("<section><h2>{}</h2>", escaped(&page.title)));
    let hint = "numbers are samples; a machine instruction belongs to the last operator whose place \
                the compiler noted, so an operator has those of others without a place, too";
    put(&mut out, &format!("<p>{}; {hint}</p><div class=\"c\">", escaped(&page.note)));
    for column in &page.columns {
        let samples = column.lines.iter().map(|line| line.samples);
        let (all, most) = (samples.clone().sum::<u64>(), samples.max().unwrap_or(0));
        let title = match all {
            0 => column.title.clone(),
            1 => format!("{}: 1 sample", column.title),
            _ => format!("{}: {all} samples", column.title),
        };
        write!(out, "<div><h3>{}</h3><pre>", escaped(&title)).expect("strings take anything");
        let mut found = false;
        for line in &column.lines {
            let first_of_most = most > 0 && line.samples == most && !found;
            found |= first_of_most;
            // A line end in between would be an empty line.
            out.push_str(&self::line(line, (most, first_of_most)));
        }
        put(&mut out, "</pre></div>");
    }
    put(&mut out, "</div></section>");
    out
}

/// A line of a column whose lines have at most so many samples, and whether it is the first that has them.
fn line(line: &Line, (most, first_of_most): (u64, bool)) -> String {
    let mut operator =
        line.operator.map(|offset| format!(" data-o=\"{offset:x}\"")).unwrap_or_default();
    if first_of_most {
        operator.push_str(" data-most");
    }
    let (samples, heat) = match line.samples {
        0 => (String::new(), String::new()),
        samples => {
            let heat = samples * 60 / most.max(1);
            let heat = format!(" style=\"background:rgb(255 120 60 / {heat}%)\"");
            (samples.to_string(), heat)
        }
    };
    format!("<div{operator}{heat}><b>{samples}</b>{}</div>", escaped(&line.text))
}

fn put(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

/// Text for a page.
fn escaped(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        let hostile = "</pre><script>\"&\u{1b}";
        let lines = vec![Line { operator: Some(0x1f), samples: 3, text: hostile.to_owned() }];
        let columns = vec![Column { title: hostile.to_owned(), lines }];
        let page = Page { title: hostile.to_owned(), note: hostile.to_owned(), columns };
        let html = html(hostile, &section(&page));
        assert!(!html.contains("</pre><script>") && !html.contains('\u{1b}'), "{html}");
        assert!(html.contains("<div data-o=\"1f\" data-most style"), "{html}");
        assert!(html.contains(": 3 samples</h3>"), "{html}");
        assert!(html.contains("<b>3</b>&lt;/pre&gt;&lt;script&gt;&quot;&amp;\\u{1b}"), "{html}");
    }
}
