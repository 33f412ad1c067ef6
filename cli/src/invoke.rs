//! Calling an export with arguments from the command line.

use anyhow::{Context, Result, bail};
use upshift::{FuncType, HeapType, Val, ValType};

/// Reads `texts` as the parameters of a function of type `ty`.
pub(crate) fn parse_arguments(ty: &FuncType, texts: &[String]) -> Result<Vec<Val>> {
    if texts.len() != ty.params.len() {
        bail!("the function has type {ty}, but {} arguments were given", texts.len());
    }
    let parse = |(i, (text, &ty)): (usize, (&String, &ValType))| {
        parse_value(ty, text).with_context(|| format!("argument {} is no {ty}: `{text}`", i + 1))
    };
    texts.iter().zip(&*ty.params).enumerate().map(parse).collect()
}

/// Reads one value: integers signed or unsigned, in decimal or with `0x`, floats, `null`.
fn parse_value(ty: ValType, text: &str) -> Result<Val> {
    Ok(match ty {
        ValType::I32 => {
            let value = parse_integer(text)?;
            let low = u32::try_from(value).map(u32::cast_signed);
            Val::I32(low.or_else(|_| i32::try_from(value)).context("out of range")?)
        }
        ValType::I64 => {
            let value = parse_integer(text)?;
            let low = u64::try_from(value).map(u64::cast_signed);
            Val::I64(low.or_else(|_| i64::try_from(value)).context("out of range")?)
        }
        ValType::F32 => Val::F32(text.parse::<f32>()?.to_bits()),
        ValType::F64 => Val::F64(text.parse::<f64>()?.to_bits()),
        ValType::V128 => {
            let digits = text.strip_prefix("0x").context("vectors are written as 0x…")?;
            Val::V128(u128::from_str_radix(digits, 16)?.into())
        }
        ValType::Ref(ty) if text == "null" && ty.nullable => {
            Val::null_ref(ty.heap).context("no such null reference")?
        }
        ValType::Ref(_) => bail!("the only reference that can be written is `null`"),
    })
}

fn parse_integer(text: &str) -> Result<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => i128::from_str_radix(digits, 16)?,
        None => digits.parse()?,
    };
    Ok(if negative { -value } else { value })
}

/// A result for the terminal; numbers are printed as signed.
pub(crate) fn format_value(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => format!("0x{:032x}", value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::AnyRef(None) => {
            "null".into()
        }
        Val::FuncRef(Some(_)) => "<funcref>".into(),
        Val::ExternRef(Some(_)) => "<externref>".into(),
        Val::ExnRef(Some(_)) => "<exnref>".into(),
        Val::AnyRef(Some(any)) => match any.as_i31() {
            Some(value) => format!("<i31 {value}>"),
            None => "<anyref>".into(),
        },
    }
}

/// Room for the results of a function of type `ty`.
pub(crate) fn result_buffer(ty: &FuncType) -> Vec<Val> {
    ty.results
        .iter()
        .map(|&ty| Val::default_for_ty(ty).or_else(|| Val::null_ref(HeapType::Func)))
        .map(|value| value.unwrap_or(Val::I32(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(ty: ValType, text: &str) -> Option<String> {
        parse_value(ty, text).ok().map(|value| format_value(&value))
    }

    #[test]
    fn values_round_trip() {
        assert_eq!(parse(ValType::I32, "-1"), Some("-1".into()));
        assert_eq!(parse(ValType::I32, "4294967295"), Some("-1".into()));
        assert_eq!(parse(ValType::I32, "4294967296"), None);
        assert_eq!(parse(ValType::I64, "0x7f"), Some("127".into()));
        assert_eq!(parse(ValType::I64, "-0x8000000000000000"), Some(i64::MIN.to_string()));
        assert_eq!(parse(ValType::F64, "1.5e3"), Some("1500".into()));
        assert_eq!(parse(ValType::V128, "0x1"), Some(format!("0x{:032x}", 1)));
        assert_eq!(parse(ValType::EXTERNREF, "null"), Some("null".into()));
        assert_eq!(parse(ValType::EXTERNREF, "7"), None);
    }

    #[test]
    fn argument_counts_are_checked() {
        let ty = FuncType::new([ValType::I32], []);
        assert!(parse_arguments(&ty, &[]).is_err());
        assert_eq!(parse_arguments(&ty, &["3".into()]).unwrap().len(), 1);
    }
}
