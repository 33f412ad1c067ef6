//! A [jitdump](https://github.com/torvalds/linux/blob/master/tools/perf/Documentation/jitdump-specification.txt):
//! machine code with names for `perf`, written while the program runs.
//!
//! `perf record` notes that the process maps the file as executable, which is all the map is for;
//! `perf inject --jit` reads the file then and gives addresses their code. Times are those of the
//! monotonic clock, so `perf record` needs `-k mono`.
//!
//! ```text
//! header: "JiTD" version=1 size=40 machine pad pid time flags
//! record: id size time | pid tid address address code-size number name 0 code
//! ```
//! Numbers are little-endian, the first four of the header and the first two of a record have four
//! bytes, as have pid and tid; others have eight.

use crate::code_names::CodeNames;
use crate::sampler::clock::monotonic_ns;
use anyhow::{Context, Result};
use memmap2::{Mmap, MmapOptions};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use upshift::{CodeObserver, PublishedCode};

/// "JiTD" as a number.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 40;
/// EM_X86_64.
const MACHINE: u32 = 62;
/// Bytes before the fields of a record.
const PREFIX_BYTES: usize = 16;
/// Kinds of records.
const CODE_LOAD: u32 = 0;
const CODE_CLOSE: u32 = 3;
/// How much of the file is mapped; `perf` looks at the map's name only.
const MAP_BYTES: usize = 4096;

/// Writes the code of an engine to a file, from when it is given to
/// [`upshift::Config::code_observer`].
#[derive(Debug)]
pub struct JitDump {
    state: Mutex<State>,
    names: CodeNames,
    _seen_by_perf: Mmap,
}

#[derive(Debug)]
struct State {
    file: File,
    records: u64,
    /// What went wrong first; nothing is written afterwards.
    error: Option<io::Error>,
}

impl JitDump {
    /// Begins the file `jit-PID.dump` in `folder`.
    ///
    /// # Errors
    /// When the file cannot be made, or not be mapped: its file system allows no execution.
    pub fn create(folder: &Path, names: CodeNames) -> Result<Self> {
        let path = folder.join(format!("jit-{}.dump", std::process::id()));
        let create = || -> io::Result<(File, Mmap)> {
            let mut file =
                File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
            file.write_all(&header())?;
            // SAFETY: the map is never read, so it does not matter who writes the file.
            let map = unsafe { MmapOptions::new().len(MAP_BYTES).map_exec(&file) }?;
            Ok((file, map))
        };
        let (file, map) =
            create().with_context(|| format!("failed to write {}", path.display()))?;
        let state = Mutex::new(State { file, records: 0, error: None });
        Ok(Self { state, names, _seen_by_perf: map })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.write(&record(CODE_CLOSE, &[]));
        state
            .error
            .take()
            .map_or(Ok(()), Err)
            .context("failed to write all of the jitdump; what was written stays")
    }
}

impl CodeObserver for JitDump {
    fn published(&self, code: &PublishedCode<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.records;
        state.records += 1;
        state.write(&record(CODE_LOAD, &code_load(code, number, self.names)));
    }
}

impl State {
    fn write(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.file.write_all(bytes).err();
        }
    }
}

fn header() -> Vec<u8> {
    let mut out = Vec::new();
    for word in [MAGIC, VERSION, HEADER_BYTES, MACHINE, 0, std::process::id()] {
        out.extend(word.to_le_bytes());
    }
    for word in [monotonic_ns(), 0] {
        out.extend(word.to_le_bytes());
    }
    out
}

fn record(id: u32, fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX_BYTES + fields.len());
    out.extend(id.to_le_bytes());
    let size = u32::try_from(PREFIX_BYTES + fields.len()).unwrap_or(u32::MAX);
    out.extend(size.to_le_bytes());
    out.extend(monotonic_ns().to_le_bytes());
    out.extend(fields);
    out
}

fn code_load(code: &PublishedCode<'_>, number: u64, names: CodeNames) -> Vec<u8> {
    let mut out = Vec::new();
    let thread = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or(0);
    for word in [std::process::id(), thread] {
        out.extend(word.to_le_bytes());
    }
    let (address, size) = (code.address as u64, code.bytes.len() as u64);
    for word in [address, address, size, number] {
        out.extend(word.to_le_bytes());
    }
    // It is printable, so it has no zero byte.
    out.extend(names.of((code.name, code.func), code.kind).bytes());
    out.push(0);
    out.extend(code.bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use upshift::{Config, Engine, Linker, Module, Store};

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn long(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    /// The records of a file: kind, time, and what follows.
    fn read(bytes: &[u8]) -> Vec<(u32, u64, &[u8])> {
        assert_eq!((word(bytes, 0), word(bytes, 4)), (MAGIC, VERSION));
        assert_eq!(word(bytes, 20), std::process::id());
        let mut records = Vec::new();
        let mut rest = &bytes[word(bytes, 8) as usize..];
        while !rest.is_empty() {
            let size = word(rest, 4) as usize;
            records.push((word(rest, 0), long(rest, 8), &rest[16..size]));
            rest = &rest[size..];
        }
        records
    }

    #[test]
    fn code_of_each_tier_is_in_the_file_before_it_runs() {
        let folder = std::env::temp_dir().join(format!("upshift-jitdump-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let dump = Arc::new(JitDump::create(&folder, CodeNames::default()).unwrap());
        let mut config = Config::new();
        config.code_observer(dump.clone()).deterministic_tiering(100);
        let engine = Engine::new(&config).unwrap();
        let text = r#"(module (func (export "f\00\n") (param i32) (result i32)
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 0)))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let f = instance.get_typed_func::<i32, i32>(&mut store, "f\0\n").unwrap();
        for _ in 0..3 {
            f.call(&mut store, 100_000).unwrap();
        }
        dump.finish().unwrap();
        let bytes = std::fs::read(folder.join(format!("jit-{}.dump", std::process::id()))).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let records = read(&bytes);
        assert!(records.is_sorted_by_key(|record| record.1));
        let (last, loads) = records.split_last().unwrap();
        assert_eq!((last.0, last.2), (CODE_CLOSE, [].as_slice()));
        let mut found = Vec::new();
        for (i, (kind, _, fields)) in loads.iter().enumerate() {
            assert_eq!((*kind, long(fields, 32)), (CODE_LOAD, i as u64));
            let end = 40 + fields[40..].iter().position(|&byte| byte == 0).unwrap();
            let name = std::str::from_utf8(&fields[40..end]).unwrap();
            let address = usize::try_from(long(fields, 8)).unwrap();
            assert_eq!(fields[end + 1..].len() as u64, long(fields, 24));
            found.push((name.to_owned(), address, fields.len() - end - 1));
        }
        let ranges = module.code_ranges().into_iter();
        let expected: Vec<_> = ranges
            .map(|range| {
                let name = CodeNames::default().of((Some("f\0\n"), range.func), range.kind);
                (name, range.address, range.len)
            })
            .collect();
        assert_eq!(found, expected);
        let tiers =
            ["baseline", "osr", "optimized"].map(|tier| format!("f\\u{{0}}\\u{{a}}-{tier}"));
        for tier in tiers {
            assert!(found.iter().any(|code| code.0 == tier), "{tier}: {found:?}");
        }
    }
}
