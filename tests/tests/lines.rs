//! Jumps of loops lie within lines of code, where the processor wants them there.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use upshift_abi::code::{CODE_LINE_BYTES, CompiledFunction};
use upshift_abi::config::CodegenConfig;
use upshift_tests::single::{baseline_first, compile_first, hotness_costs};

/// A loop with jumps of all kinds behind each other, and this before the last of them, at `shift`
/// places of code from its start.
fn looping_with(table: &str, shift: usize) -> Vec<u8> {
    let step = "(local.set 1 (i32.xor (local.get 1) (i32.const 5)))".repeat(shift);
    let text = format!(
        "(module (func (param i32 i32) (result i32) (loop $outer (loop $inner {step}
            (if (i32.lt_u (local.get 0) (local.get 1)) (then
                (local.set 0 (i32.add (local.get 0) (i32.const 1000000)))
                (br $inner)))
            (br_if $inner (i32.eqz (local.get 1)))
            {table}
            (block $out (br_if $out (i32.gt_s (local.get 1) (i32.const 100000)))
                (local.set 1 (i32.sub (local.get 1) (local.get 0))))
            (if (local.get 1) (then (br $outer)) (else (local.set 1 (i32.const 77)))))
            (br_if $outer (i32.ne (local.get 1) (i32.const 3))))
        local.get 1))"
    );
    wat::parse_str(text).expect("well-formed")
}

fn looping(shift: usize) -> Vec<u8> {
    looping_with("", shift)
}

#[test]
fn what_a_loop_costs_is_the_same_on_all_processors() {
    let costs = |slow_jumps| {
        let of = |shift| {
            let config = CodegenConfig { slow_jumps, ..CodegenConfig::default() };
            let table = "(block $case (block $other (br_table $case $other $case (local.get 1))))";
            hotness_costs(&baseline_first(&looping_with(table, shift), &config))
        };
        (0..40).map(of).collect::<Vec<_>>()
    };
    assert!(costs(true)[0].len() > 1, "{:?}", costs(true)[0]);
    assert_eq!(costs(true), costs(false));
}

/// Jumps before the function's end that go somewhere else and are slow: those behind the target of
/// the first jump back, with what is fused with them. Also how many jumps there are.
fn slow_jumps(compiled: &CompiledFunction) -> (usize, usize) {
    let code = Decoder::new(64, &compiled.code, DecoderOptions::NONE);
    let code: Vec<Instruction> = code
        .into_iter()
        .take_while(|instruction| instruction.mnemonic() != Mnemonic::Leave)
        .collect();
    let is_jump = |i: &Instruction| i.op0_kind() == OpKind::NearBranch64;
    let back = |i: &&Instruction| is_jump(i) && i.near_branch_target() <= i.ip();
    let headers = code.iter().filter(back).map(Instruction::near_branch_target);
    let first = headers.min().expect("there is a loop");
    let line = |offset: u64| (offset + u64::from(compiled.phase)) / CODE_LINE_BYTES as u64;
    let (mut jumps, mut slow) = (0, 0);
    for (i, jump) in code.iter().enumerate().filter(|(_, i)| is_jump(i) && i.ip() >= first) {
        let before = &code[i - 1];
        let fuses = matches!(before.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        let start = if fuses && jump.mnemonic() != Mnemonic::Jmp { before.ip() } else { jump.ip() };
        jumps += 1;
        slow += usize::from(line(start) != line(jump.next_ip()));
    }
    (jumps, slow)
}

#[test]
fn baseline_loops_have_no_slow_jumps() {
    for work_budget in [false, true] {
        let (mut jumps, mut slow, mut without) = (0, 0, 0);
        for shift in 0..40 {
            let bytes = looping(shift);
            let of = |slow_jumps| {
                let config = CodegenConfig { slow_jumps, work_budget, ..CodegenConfig::default() };
                let compiled = baseline_first(&bytes, &config);
                self::slow_jumps(&compiled)
            };
            let (count, left) = of(true);
            jumps += count;
            slow += left;
            without += of(false).1;
        }
        assert_eq!(slow, 0, "of {jumps}, {without} without care");
        assert!(without > 20, "{without} of {jumps}");
    }
}

#[test]
fn the_optimizer_places_loops_so_that_few_jumps_are_slow() {
    let (mut slow, mut without) = (0, 0);
    for shift in 0..40 {
        let bytes = looping(shift);
        let of = |slow_jumps| {
            let config = CodegenConfig { slow_jumps, ..CodegenConfig::default() };
            let request = upshift_optimizer::Request {
                entry: upshift_optimizer::Entry::Function,
                effort: upshift_optimizer::Effort::Full,
            };
            let compiled = compile_first(&bytes, &config, |input| {
                upshift_optimizer::Compiler::new().compile(input, request).expect("supported")
            });
            self::slow_jumps(&compiled).1
        };
        slow += of(true);
        without += of(false);
    }
    assert!(slow * 2 < without, "{slow} slow jumps, {without} without care");
}
