//! The test matrix of simple operators: each with its operands in every kind of place.
//!
//! For one operator, [`Matrix::text`] is a module with one function per combination of places. The
//! functions take all operands as parameters and bring them to their places first.

use std::fmt::Write as _;
use upshift_abi::types::ValType;

/// Where an operand is when the operator comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a local.
    Local,
    /// A constant: this one of the type's values.
    Const(usize),
    /// Just loaded from memory.
    Loaded,
    /// Loaded, with a call between the load and the operator.
    AcrossCall,
    /// An `i32` cut from an `i64` whose upper half is not zero; other types as `Local`.
    Dirty,
}

/// What happens to the operator's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// It is returned.
    Return,
    /// It decides an `if`.
    If,
    /// It decides a `br_if`.
    BrIf,
    /// It decides a `select`.
    Select,
    /// `i32.eqz` negates it.
    Eqz,
}

/// One function of the matrix.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of the export.
    pub name: String,
    /// The operands' places.
    pub places: Vec<Place>,
    /// What becomes of the result.
    pub consumer: Consumer,
}

/// The matrix of one operator.
#[derive(Clone, Debug)]
pub struct Matrix<'a> {
    /// The operator with its immediates, in the text format.
    pub operator: &'a str,
    /// Types of the operands.
    pub params: &'a [ValType],
    /// Type of the result.
    pub result: ValType,
}

impl Matrix<'_> {
    /// All combinations. Constants of two operands are combined as well.
    #[must_use]
    pub fn cases(&self) -> Vec<Case> {
        let uniform = [Place::Local, Place::Loaded, Place::AcrossCall, Place::Dirty];
        let mut places: Vec<Vec<Place>> =
            uniform.iter().map(|&place| vec![place; self.params.len()]).collect();
        match *self.params {
            [a] => places.extend((0..values(a).len()).map(|i| vec![Place::Const(i)])),
            [a, b] => {
                let (a, b) = (values(a).len(), values(b).len());
                places.push(vec![Place::Local, Place::Loaded]);
                places.push(vec![Place::Loaded, Place::Local]);
                places.extend((0..b).map(|i| vec![Place::Local, Place::Const(i)]));
                places.extend((0..a).map(|i| vec![Place::Const(i), Place::Loaded]));
                places.extend((0..a * b).map(|i| vec![Place::Const(i / b), Place::Const(i % b)]));
            }
            _ => {}
        }
        let consumers: &[Consumer] = match (self.result, self.is_condition()) {
            (ValType::I32, true) => {
                &[Consumer::Return, Consumer::If, Consumer::BrIf, Consumer::Select, Consumer::Eqz]
            }
            _ => &[Consumer::Return],
        };
        let mut cases = Vec::new();
        for &consumer in consumers {
            for places in &places {
                let folded = places.iter().all(|place| matches!(place, Place::Const(_)));
                if consumer == Consumer::Return || !folded {
                    let name = format!("{}", cases.len());
                    cases.push(Case { name, places: places.clone(), consumer });
                }
            }
        }
        cases
    }

    /// Whether the result is 0 or 1.
    fn is_condition(&self) -> bool {
        let name = self.operator.rsplit('.').next().unwrap_or_default();
        let name = name.split('_').next().unwrap_or_default();
        ["eqz", "eq", "ne", "lt", "gt", "le", "ge"].contains(&name)
    }

    /// The module with all `cases`.
    #[must_use]
    pub fn text(&self, cases: &[Case]) -> String {
        let mut text = String::from("(module (memory 1) (func $nop)\n");
        for case in cases {
            self.write_case(&mut text, case).expect("strings accept everything");
        }
        text.push(')');
        text
    }

    fn write_case(&self, out: &mut String, case: &Case) -> std::fmt::Result {
        write!(out, "(func (export \"{}\")", case.name)?;
        for (ty, place) in self.params.iter().zip(&case.places) {
            write!(out, " (param {})", param_type(*ty, *place))?;
        }
        writeln!(out, " (result {})", self.result)?;
        for (k, (ty, place)) in self.params.iter().zip(&case.places).enumerate() {
            if matches!(place, Place::Loaded | Place::AcrossCall) {
                writeln!(out, "i32.const {} local.get {k} {ty}.store", 16 * k)?;
            }
        }
        if case.consumer == Consumer::Select {
            out.push_str("i32.const 1 i32.const 0\n");
        }
        if case.consumer == Consumer::BrIf {
            out.push_str("block\n");
        }
        for (k, (ty, place)) in self.params.iter().zip(&case.places).enumerate() {
            write_operand(out, k, *ty, *place)?;
        }
        if case.places.contains(&Place::AcrossCall) {
            out.push_str("call $nop\n");
        }
        writeln!(out, "{}", self.operator)?;
        out.push_str(match case.consumer {
            Consumer::Return => "",
            Consumer::If => "if (result i32) i32.const 1 else i32.const 0 end",
            Consumer::BrIf => "br_if 0 i32.const 0 return end i32.const 1",
            Consumer::Select => "select",
            Consumer::Eqz => "i32.eqz",
        });
        out.push_str(")\n");
        Ok(())
    }
}

fn param_type(ty: ValType, place: Place) -> ValType {
    if ty == ValType::I32 && place == Place::Dirty { ValType::I64 } else { ty }
}

fn write_operand(out: &mut String, k: usize, ty: ValType, place: Place) -> std::fmt::Result {
    match place {
        Place::Local => writeln!(out, "local.get {k}"),
        Place::Dirty if ty == ValType::I32 => writeln!(out, "local.get {k} i32.wrap_i64"),
        Place::Dirty => writeln!(out, "local.get {k}"),
        Place::Loaded | Place::AcrossCall => writeln!(out, "i32.const {} {ty}.load", 16 * k),
        Place::Const(i) => {
            let bits = values(ty)[i];
            let halves = (bits & u128::from(u64::MAX), bits >> 64);
            match ty {
                ValType::I32 | ValType::I64 => writeln!(out, "{ty}.const {bits:#x}"),
                ValType::F32 => writeln!(out, "i32.const {bits:#x} f32.reinterpret_i32"),
                ValType::F64 => writeln!(out, "i64.const {bits:#x} f64.reinterpret_i64"),
                _ => writeln!(out, "v128.const i64x2 {:#x} {:#x}", halves.0, halves.1),
            }
        }
    }
}

/// Values of a type that are likely to show mistakes, as bits.
#[must_use]
pub fn values(ty: ValType) -> &'static [u128] {
    match ty {
        ValType::I32 => &[
            0,
            1,
            2,
            7,
            31,
            32,
            33,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0x1234_5678,
            0x7fff_ffff,
            0x8000_0000,
            0x8000_0001,
            0xffff_fffe,
            0xffff_ffff,
        ],
        ValType::I64 => &[
            0,
            1,
            2,
            31,
            63,
            64,
            65,
            0x80,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            0x1_0000_0000,
            0xffff_ffff_8000_0000,
            0x0123_4567_89ab_cdef,
            0x7fff_ffff_ffff_ffff,
            0x8000_0000_0000_0000,
            0xffff_ffff_ffff_fffe,
            0xffff_ffff_ffff_ffff,
        ],
        ValType::F32 => F32_VALUES,
        ValType::F64 => F64_VALUES,
        _ => V128_VALUES,
    }
}

/// ±0, ±1, 0.5, 1.5, 2.5, limits of integers, smallest and largest numbers, infinities, NaNs.
const F32_VALUES: &[u128] = &[
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x3f00_0000,
    0x3fc0_0000,
    0xc020_0000,
    0x4eff_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0xcf00_0001,
    0x4f80_0000,
    0x5f00_0000,
    0xdf00_0000,
    0x5f80_0000,
    0x0000_0001,
    0x7f7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7fa0_1234,
];

/// The same for 64 bits.
const F64_VALUES: &[u128] = &[
    0,
    0x8000_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3fe0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0xc004_0000_0000_0000,
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0000_0000,
    0xc1e0_0000_0020_0000,
    0x41ef_ffff_ffe0_0000,
    0x43e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0x43f0_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff4_0000_0000_1234,
];

/// Patterns of all lane sizes, float edges among them.
const V128_VALUES: &[u128] = &[
    0,
    u128::MAX,
    0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100,
    0x8000_7fff_8001_fffe_0080_007f_00ff_0001,
    0x7fff_ffff_8000_0000_ffff_ffff_0000_0001,
    0x7f80_0000_ff80_0000_7fc0_0000_8000_0000,
    0x3fc0_0000_c020_0000_4f00_0000_0000_0001,
    0x7ff0_0000_0000_0000_3ff8_0000_0000_0000,
    0xc1e0_0000_0020_0000_7ff4_0000_0000_1234,
];
