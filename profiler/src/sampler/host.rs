//! Unwinding of host code, which keeps no frame pointers, from a copy of its stack.

use super::MAX_FRAMES;
use super::record::Registers;
use crate::maps::{self, Mapping};
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};
use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSegment};
use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::sync::Arc;
use upshift::is_machine_code;

/// Knows how to unwind the code that the process had when this was made.
pub(super) struct HostUnwinder {
    unwinder: UnwinderX86_64<Part>,
    cache: CacheX86_64,
}

impl fmt::Debug for HostUnwinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostUnwinder").finish_non_exhaustive()
    }
}

impl HostUnwinder {
    /// Reads the tables of the program and of its libraries. Those that cannot be read are left out.
    pub(super) fn new() -> Self {
        let mut unwinder = UnwinderX86_64::new();
        let maps = maps::of_process();
        for (path, range) in files(&maps) {
            if let Some(module) = read_module(path, range) {
                unwinder.add_module(module);
            }
        }
        Self { unwinder, cache: CacheX86_64::new() }
    }

    /// Adds the return addresses of host code, and behind them those of the machine code that called
    /// it. `stack` is a copy of the stack from the stack pointer on.
    pub(super) fn walk(&mut self, start: Registers, stack: &[u8], addresses: &mut Vec<usize>) {
        let mut read = |address: u64| {
            let at = address.checked_sub(start.sp).and_then(|at| usize::try_from(at).ok());
            let word = at.and_then(|at| stack.get(at..)?.first_chunk());
            word.map(|word| u64::from_le_bytes(*word)).ok_or(())
        };
        let mut registers = UnwindRegsX86_64::new(start.ip, start.sp, start.bp);
        let mut frame = FrameAddress::from_instruction_pointer(start.ip);
        while addresses.len() < MAX_FRAMES {
            let caller =
                self.unwinder.unwind_frame(frame, &mut registers, &mut self.cache, &mut read);
            let Some(caller) = caller.ok().flatten() else { return };
            let Some(next) = FrameAddress::from_return_address(caller) else { return };
            frame = next;
            let Ok(address) = usize::try_from(caller) else { return };
            addresses.push(address);
            if is_machine_code(address) {
                return walk_frames(registers.bp(), &mut read, addresses);
            }
        }
    }
}

/// Adds the return addresses of machine code that frame pointers lead to.
fn walk_frames(
    mut fp: u64,
    read: &mut impl FnMut(u64) -> Result<u64, ()>,
    addresses: &mut Vec<usize>,
) {
    while addresses.len() < MAX_FRAMES {
        let (Ok(next), Ok(caller)) = (read(fp), read(fp.wrapping_add(8))) else { return };
        let address = usize::try_from(caller).unwrap_or(0);
        if !is_machine_code(address) {
            return;
        }
        addresses.push(address);
        if next <= fp {
            return;
        }
        fp = next;
    }
}

/// Files with executable parts, and where all of their parts lie.
fn files(maps: &[Mapping]) -> Vec<(&str, Range<u64>)> {
    let mut found: Vec<(&str, Range<u64>, bool)> = Vec::new();
    for Mapping { range, executable, path } in maps.iter().filter(|map| map.path.starts_with('/')) {
        match found.last_mut().filter(|last| last.0 == path) {
            Some(last) => (last.1.end, last.2) = (range.end, last.2 || *executable),
            None => found.push((path, range.clone(), *executable)),
        }
    }
    found.into_iter().filter(|file| file.2).map(|(path, range, _)| (path, range)).collect()
}

/// A part of a file, or none: only what is looked at is read.
#[derive(Default)]
struct Part {
    map: Option<Arc<Mmap>>,
    range: Range<usize>,
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[self.range.clone()])
    }
}

fn read_module(path: &str, range: Range<u64>) -> Option<Module<Part>> {
    let file = File::open(path).ok()?;
    // SAFETY: as with every program and library that runs, whoever changes its file in place breaks
    // more than this; they are replaced, not changed.
    let map = Arc::new(unsafe { Mmap::map(&file) }.ok()?);
    let file = object::File::parse(&**map).ok()?;
    let place = |name: &str| {
        let section = file.section_by_name(name)?;
        Some(section.address()..section.address() + section.size())
    };
    let data = |name: &str| {
        let (start, len) = file.section_by_name(name)?.file_range()?;
        let start = usize::try_from(start).ok()?;
        let range = start..start.checked_add(usize::try_from(len).ok()?)?;
        map.get(range.clone())?;
        Some(Part { map: Some(Arc::clone(&map)), range })
    };
    // The first segment lies where the file begins.
    let first = file.segments().next()?;
    let base = range.start.checked_sub(first.address())?;
    let sections = ExplicitModuleSectionInfo {
        text_svma: place(".text"),
        eh_frame_svma: place(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: place(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        ..ExplicitModuleSectionInfo::default()
    };
    Some(Module::new(path.to_owned(), range, base, sections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_by_file() {
        let maps = "\
1000-2000 r--p 00000000 08:01 7   /usr/bin/a program
2000-3000 r-xp 00001000 08:01 7   /usr/bin/a program
3000-4000 rw-p 00000000 00:00 0
5000-6000 r--p 00000000 08:01 8   /data
7000-8000 r-xp 00000000 00:00 0   [vdso]
";
        assert_eq!(files(&maps::parse(maps)), [("/usr/bin/a program", 0x1000..0x3000)]);
    }

    #[test]
    fn this_program_has_tables() {
        let maps = maps::of_process();
        let here = maps_are_read_by_file as *const () as u64;
        let (path, range) =
            files(&maps).into_iter().find(|file| file.1.contains(&here)).expect("it is mapped");
        assert!(read_module(path, range).is_some());
    }

    #[test]
    fn frames_end_where_the_copy_does() {
        let stack = [0x20u64, 1, 0, 0].map(u64::to_le_bytes).concat();
        let mut addresses = Vec::new();
        let mut unwinder = HostUnwinder::new();
        unwinder.walk(Registers { bp: 0x10, sp: 0x10, ip: 1 }, &stack, &mut addresses);
        assert!(addresses.len() <= 2, "{addresses:?}");
        unwinder.walk(Registers { bp: u64::MAX - 3, sp: 0, ip: 1 }, &[], &mut addresses);
    }
}
