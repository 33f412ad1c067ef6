//! Every operator compiles, under every configuration, to code that calls nothing.

use super::*;
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserFuncName};
use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, Flags};
use cranelift_codegen::{CompiledCode, Context, control::ControlPlane};
use cranelift_frontend::FunctionBuilderContext;
use upshift_abi::types::ValType;

const CONFIGURATIONS: [(bool, bool); 4] =
    [(false, false), (false, true), (true, false), (true, true)];

fn target(opt_level: &str) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", opt_level),
        ("enable_verifier", "true"),
        ("enable_pinned_reg", "true"),
        ("preserve_frame_pointers", "true"),
        ("is_pic", "true"),
    ] {
        flags.set(name, value).unwrap();
    }
    let mut builder = isa::lookup_by_name("x86_64").unwrap();
    for name in [
        "has_sse3",
        "has_ssse3",
        "has_sse41",
        "has_sse42",
        "has_avx",
        "has_avx2",
        "has_popcnt",
        "has_bmi1",
        "has_bmi2",
        "has_lzcnt",
        "has_fma",
    ] {
        builder.enable(name).unwrap();
    }
    builder.finish(Flags::new(flags)).unwrap()
}

fn type_of(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
        _ => unreachable!("pure operators have no references"),
    }
}

/// Compiles a function of `params` to `result` whose body is `lower`.
fn compile(
    isa: &OwnedTargetIsa,
    params: &[ValType],
    result: ValType,
    (nan_canonicalize, relaxed_deterministic): (bool, bool),
    lower: impl FnOnce(&mut Lowering<'_, '_>, &[Value]) -> Value,
) -> CompiledCode {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend(params.iter().map(|&ty| AbiParam::new(type_of(ty))));
    signature.returns.push(AbiParam::new(type_of(result)));
    let func = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = Context::for_function(func);
    context.set_disasm(true);
    let mut memory = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut memory);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_block(block);
    let args = builder.block_params(block).to_vec();
    let mut lowering = Lowering { builder: &mut builder, nan_canonicalize, relaxed_deterministic };
    let value = lower(&mut lowering, &args);
    builder.ins().return_(&[value]);
    builder.finalize(isa.frontend_config());
    let compiled = context.compile(&**isa, &mut ControlPlane::default());
    compiled.map_err(|error| error.inner).expect("valid code");
    context.take_compiled_code().unwrap()
}

/// Compiles `lower` under all configurations.
fn check(
    name: &str,
    params: &[ValType],
    result: ValType,
    lower: impl Fn(&mut Lowering<'_, '_>, &[Value]) -> Value,
) {
    for opt_level in ["none", "speed"] {
        let isa = target(opt_level);
        for configuration in CONFIGURATIONS {
            let code = compile(&isa, params, result, configuration, &lower);
            assert!(code.buffer.relocs().is_empty(), "{name}: {:?}", code.buffer.relocs());
            for trap in code.buffer.traps() {
                assert!(trap_of(trap.code).is_some(), "{name}: {:?}", trap.code);
            }
        }
    }
}

fn disassembly(
    params: &[ValType],
    result: ValType,
    configuration: (bool, bool),
    lower: impl FnOnce(&mut Lowering<'_, '_>, &[Value]) -> Value,
) -> String {
    compile(&target("speed"), params, result, configuration, lower).vcode.unwrap()
}

#[test]
fn scalar_operators() {
    for &op in ScalarOp::ALL {
        check(op.name(), op.params(), op.result(), |l, args| l.scalar(op, args));
    }
}

#[test]
fn simd_operators() {
    for &op in SimdOp::ALL {
        check(op.name(), op.params(), op.result(), |l, args| l.simd(op, args));
    }
}

#[test]
fn lane_operators() {
    for &op in LaneOp::ALL {
        for lane in 0..op.lanes() {
            check(op.name(), op.params(), op.result(), |l, args| l.lane(op, lane, args));
        }
    }
}

#[test]
fn shuffles() {
    let params = [ValType::V128, ValType::V128];
    let lanes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    for lanes in [lanes, lanes.map(|i| 31 - i), lanes.map(|i| i * 7 % 32), [0; 16]] {
        check("shuffle", &params, ValType::V128, |l, args| l.shuffle(lanes, args[0], args[1]));
    }
}

#[test]
fn trap_codes_stand_for_traps() {
    for &trap in Trap::ALL {
        assert_eq!(trap_of(trap_code(trap)), Some(trap));
    }
    let native = [
        (TrapCode::INTEGER_OVERFLOW, Trap::IntegerOverflow),
        (TrapCode::INTEGER_DIVISION_BY_ZERO, Trap::IntegerDivisionByZero),
        (TrapCode::BAD_CONVERSION_TO_INTEGER, Trap::BadConversionToInteger),
    ];
    for (code, trap) in native {
        assert_eq!(trap_of(code), Some(trap));
    }
    assert_eq!(trap_of(TrapCode::unwrap_user(200)), None);
}

/// The places of traps are the divisions themselves, which fault, and `ud2`.
#[test]
fn traps_of_divisions_and_truncations() {
    let traps = |op: ScalarOp| {
        let isa = target("speed");
        let code =
            compile(&isa, op.params(), op.result(), (false, false), |l, args| l.scalar(op, args));
        for trap in code.buffer.traps() {
            let at = &code.buffer.data()[trap.offset as usize..];
            let division = if at[0] & 0xf0 == 0x40 { at[1] } else { at[0] };
            assert!(at.starts_with(&[0x0f, 0x0b]) || division == 0xf7, "{}", op.name());
        }
        let mut traps: Vec<Trap> =
            code.buffer.traps().iter().map(|trap| trap_of(trap.code).unwrap()).collect();
        traps.sort_by_key(|&trap| trap as u8);
        traps.dedup();
        traps
    };
    let (overflow, zero) = (Trap::IntegerOverflow, Trap::IntegerDivisionByZero);
    assert_eq!(traps(ScalarOp::i32_div_s), [overflow, zero]);
    assert_eq!(traps(ScalarOp::i64_div_u), [zero]);
    assert_eq!(traps(ScalarOp::i64_rem_s), [zero]);
    assert_eq!(traps(ScalarOp::i32_rem_u), [zero]);
    assert_eq!(traps(ScalarOp::i32_trunc_f64_s), [overflow, Trap::BadConversionToInteger]);
    assert_eq!(traps(ScalarOp::i64_trunc_sat_f64_s), []);
}

/// The load of a vector at offset 16 of the first parameter.
fn load(l: &mut Lowering<'_, '_>, args: &[Value]) -> Value {
    let trap = trap_code(Trap::MemoryOutOfBounds);
    let flags = little_endian().with_trap_code(Some(trap));
    l.ins().load(types::I8X16, flags, args[0], 16)
}

/// Lanes are taken from memory by the instruction that works on them, and it traps for the load.
#[test]
fn operands_from_memory() {
    let params = [ValType::I64, ValType::V128];
    let code = compile(&target("speed"), &params, ValType::V128, (false, false), |l, args| {
        let loaded = load(l, args);
        l.simd(SimdOp::f32x4_add, &[args[1], loaded])
    });
    let text = code.vcode.as_deref().unwrap();
    assert!(text.contains("vaddps 0x10(%rdi)"), "{text}");
    let traps: Vec<_> = code.buffer.traps().iter().map(|trap| trap_of(trap.code)).collect();
    assert_eq!(traps, [Some(Trap::MemoryOutOfBounds)]);
}

/// A load that becomes one of other lanes may stand behind an alias, which a variable without a
/// choice makes, and have other uses.
#[test]
fn loads_behind_aliases() {
    let params = [ValType::I64, ValType::V128];
    check("load", &params, ValType::V128, |l, args| {
        let loaded = load(l, args);
        let variable = l.builder.declare_var(types::I8X16);
        l.builder.def_var(variable, loaded);
        let next = l.builder.create_block();
        l.ins().jump(next, &[]);
        l.builder.switch_to_block(next);
        let read = l.builder.use_var(variable);
        l.builder.seal_block(next);
        let sum = l.simd(SimdOp::f32x4_add, &[args[1], read]);
        let product = l.simd(SimdOp::i16x8_mul, &[sum, read]);
        l.simd(SimdOp::v128_or, &[product, loaded])
    });
}

#[test]
fn vector_idioms_are_one_instruction() {
    let idioms = [
        (SimdOp::i32x4_dot_i16x8_s, "pmaddwd"),
        (SimdOp::i16x8_extadd_pairwise_i8x16_u, "pmaddubsw"),
        (SimdOp::f32x4_pmin, "minps"),
        (SimdOp::f64x2_pmax, "maxpd"),
        (SimdOp::f64x2_relaxed_min, "minpd"),
        (SimdOp::f32x4_relaxed_madd, "vfmadd"),
        (SimdOp::f64x2_relaxed_nmadd, "vfnmadd"),
        (SimdOp::i32x4_relaxed_trunc_f64x2_s_zero, "cvttpd2dq"),
        (SimdOp::i8x16_relaxed_swizzle, "pshufb"),
        (SimdOp::i64x2_extmul_low_i32x4_s, "pmuldq"),
    ];
    for (op, instruction) in idioms {
        let text =
            disassembly(op.params(), op.result(), (false, false), |l, args| l.simd(op, args));
        assert!(text.contains(instruction), "{}:\n{text}", op.name());
        assert!(!text.contains("pand"), "{}:\n{text}", op.name());
    }
}
