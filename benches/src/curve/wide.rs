//! A large program that is made up: thousands of functions, each of them called once per unit of
//! work. What an engine compiles before it starts, and what it compiles of code that is cold,
//! shows in its warm-up curve.

use std::fmt::Write as _;

/// About 2 MB of binary module.
const FUNCTIONS: usize = 4000;
const STATEMENTS: usize = 40;

/// The module as text, the same at each call.
pub(super) fn text() -> String {
    let mut random = Random(2_463_534_242);
    let mut text = String::from(HEAD);
    for index in 0..FUNCTIONS {
        function(&mut text, index, &mut random);
    }
    let names: Vec<String> = (0..FUNCTIONS).map(|index| format!("$f{index}")).collect();
    push(&mut text, format_args!("(table funcref (elem {}))", names.join(" ")));
    push(&mut text, format_args!("(global $functions i32 (i32.const {FUNCTIONS}))"));
    text.push_str(START);
    text
}

const HEAD: &str = r#"(module
(import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
(type $step (func (param i32) (result i32)))
(memory (export "memory") 1)
"#;

/// Units of work without end: all functions one after the other, then one letter of the result.
const START: &str = r#"(func (export "_start") (local $x i32) (local $at i32)
    (i32.store (i32.const 4) (i32.const 0))
    (i32.store (i32.const 8) (i32.const 1))
    (loop $units
        (memory.fill (i32.const 1024) (i32.const 0) (i32.const 8192))
        (local.set $x (i32.const 1))
        (local.set $at (i32.const 0))
        (loop $calls
            (local.set $x (call_indirect (type $step) (local.get $x) (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $calls (i32.lt_u (local.get $at) (global.get $functions))))
        (i32.store8 (i32.const 0)
            (i32.add (i32.const 97) (i32.rem_u (local.get $x) (i32.const 26))))
        (br_if $units (i32.eqz
            (call $fd_write (i32.const 1) (i32.const 4) (i32.const 1) (i32.const 16))))))
)
"#;

/// A function of one number, over a few kilobytes of memory that all functions share.
fn function(text: &mut String, index: usize, random: &mut Random) {
    push(text, format_args!("(func $f{index} (type $step) (param $x i32) (result i32)"));
    text.push_str("(local $y i32) (local $z f64)\n");
    for _ in 0..STATEMENTS {
        text.push_str(&statement(random));
    }
    text.push_str("(i32.add (local.get $x) (i32.trunc_sat_f64_s (local.get $z))))\n");
}

fn statement(random: &mut Random) -> String {
    let (kind, constant) = (random.next() % 5, random.next() % 8191);
    let address = format!("(i32.and (local.get $x) (i32.const {}))", constant & 0xff8);
    match kind {
        0 => format!(
            "(local.set $x (i32.add (local.get $y)
                (i32.mul (local.get $x) (i32.const {constant}))))\n"
        ),
        1 => format!(
            "(local.set $y (i32.xor (local.get $y)
                (i32.load offset=1024 {address})))\n"
        ),
        2 => format!("(i32.store offset=1024 {address} (local.get $x))\n"),
        3 => format!(
            "(if (i32.lt_s (local.get $x) (i32.const {constant}))
                (then (local.set $x (i32.rotl (local.get $x) (i32.const {}))))
                (else (local.set $y (i32.sub (local.get $x) (local.get $y)))))\n",
            constant % 31
        ),
        _ => "(local.set $z (f64.add (f64.mul (local.get $z) (f64.const 0.5))
            (f64.convert_i32_s (local.get $x))))\n"
            .to_owned(),
    }
}

/// Numbers that are the same each time (xorshift32).
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

/// Appends a line; writing to a string cannot fail.
fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a string takes all text");
    text.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_valid_module_of_two_megabytes() {
        let binary = wat::parse_str(super::text()).unwrap();
        assert!((1_500_000..3_000_000).contains(&binary.len()), "{}", binary.len());
        upshift::Module::new(&upshift::Engine::default(), &binary).unwrap();
    }
}
