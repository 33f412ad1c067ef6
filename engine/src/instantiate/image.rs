//! The data of a module's own memory as a copy-on-write image.
//!
//! Copying a few hundred kilobytes is cheaper than mapping them, so only larger data is worth an
//! image; and building one costs a copy, so the first instance is filled as usual.

use crate::api::module::Module;
use crate::store::StoreInner;
use crate::store::entities::{InstanceId, StoreMemory};
use crate::vm::Image;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use upshift_abi::index::MemoryIndex;
use upshift_abi::module::ConstOp;

/// Least bytes of data for which an image is made.
const MIN_BYTES: usize = 256 << 10;
/// An image may be this many times as large as the data in it.
const MAX_SPARSENESS: usize = 4;

/// A module's image, made for its second instance.
#[derive(Debug, Default)]
pub(crate) struct DataImage {
    was_instantiated: AtomicBool,
    image: OnceLock<Option<Image>>,
}

impl DataImage {
    /// The image to use for an instance that is made now.
    pub(crate) fn get(&self, module: &Module) -> Option<&Image> {
        if !self.was_instantiated.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.image.get_or_init(|| build(module)).as_ref()
    }
}

/// Maps the module's image into the new instance's memory. `false` when there is none, or when it
/// could not be mapped: then the segments are to be copied.
pub(crate) fn map(store: &mut StoreInner, id: InstanceId) -> bool {
    let instance = store.entities.instance(id);
    let module = instance.module.clone();
    let Some(image) = module.data_image() else { return false };
    let memory = instance.memories[0];
    match store.entities.memory_mut(memory) {
        StoreMemory::Owned(memory) => memory.map_image(image).is_ok(),
        StoreMemory::Shared(_) => false,
    }
}

/// The image of all active data, when they are all for the module's own, first memory at constant
/// places within its initial size.
fn build(module: &Module) -> Option<Image> {
    let declarations = module.declarations();
    let memory = declarations.memories.first()?;
    if declarations.imported.memories > 0 || memory.shared {
        return None;
    }
    let mut places = Vec::new();
    for segment in &declarations.data {
        let Some((index, offset)) = &segment.active else { continue };
        let start = match (index, &*offset.ops) {
            (MemoryIndex(0), [ConstOp::I32Const(start)]) => start.cast_unsigned() as usize,
            (MemoryIndex(0), [ConstOp::I64Const(start)]) => usize::try_from(*start).ok()?,
            _ => return None,
        };
        places.push((start..start.checked_add(segment.range.len())?, &segment.range));
    }
    let extent = extent(places.iter().map(|place| &place.0))?;
    let bytes: usize = places.iter().map(|place| place.0.len()).sum();
    let limit = usize::try_from(memory.minimum.checked_shl(memory.page_size_log2.into())?).ok()?;
    if bytes < MIN_BYTES || extent.len() > bytes * MAX_SPARSENESS || extent.end > limit {
        return None;
    }
    let mut content = vec![0; extent.len()];
    for (place, source) in places {
        let place = place.start - extent.start..place.end - extent.start;
        content[place].copy_from_slice(&module.bytes()[source.clone()]);
    }
    Image::new(extent.start, &content).ok()
}

/// The smallest range that contains all of these.
fn extent<'a>(ranges: impl Iterator<Item = &'a Range<usize>>) -> Option<Range<usize>> {
    ranges.cloned().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
}

#[cfg(test)]
mod tests {
    use crate::{Config, Engine, Instance, Module, Store};

    /// A module with 300 KiB of data, part of it overwritten by a second segment.
    fn module(engine: &Engine) -> Module {
        let large = "ab".repeat(150 << 10);
        let text = format!(
            r#"(module (memory (export "m") 8) (table 1 funcref)
                (data (i32.const 5000) "{large}")
                (data (i32.const 5001) "X")
                (data $passive "p"))"#
        );
        Module::new(engine, text).unwrap()
    }

    #[test]
    fn later_instances_share_an_image_and_nothing_else() {
        for reservation in [false, true] {
            let mut config = Config::new();
            if !reservation {
                config.memory_guard_size(0);
            }
            let engine = Engine::new(&config).unwrap();
            let module = module(&engine);
            let mut store = Store::new(&engine, ());
            let mut expected = vec![0u8; 8 << 16];
            for i in 0..300 << 10 {
                expected[5000 + i] = if i % 2 == 0 { b'a' } else { b'b' };
            }
            expected[5001] = b'X';
            for _ in 0..3 {
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let memory = instance.get_memory(&mut store, "m").unwrap();
                assert!(memory.data(&store) == expected);
                memory.data_mut(&mut store).fill(7);
                assert_eq!(memory.grow(&mut store, 1).unwrap(), 8);
                assert_eq!(memory.data(&store)[8 << 16], 0);
            }
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            assert!(!reservation || maps.matches("upshift-image").count() >= 2);
        }
    }
}
