//! The engine's table of type descriptors, which machine code finds types in by number.

use super::pages::Reservation;
use upshift_abi::layout::{CanonTypeId, DESCRIPTOR_SHIFT, TypeDescriptor, TypeKind};

/// Most types that are alive at once.
pub(crate) const MAX_TYPES: usize = 1 << 24;

// Their numbers leave the highest bit to those who mark with it.
const _: () = assert!(MAX_TYPES << DESCRIPTOR_SHIFT <= 1 << 31);

/// Descriptors by number; those that were never written are zero.
#[derive(Debug)]
pub(crate) struct TypeTable {
    memory: Reservation,
}

/// What the collector wants to know of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeShape {
    /// [`TypeDescriptor::size_bytes`]
    pub(crate) size_bytes: u32,
    /// [`TypeDescriptor::kind`]
    pub(crate) kind: TypeKind,
    /// [`TypeDescriptor::references`]
    pub(crate) references: u64,
}

impl TypeTable {
    /// An empty table.
    pub(crate) fn new() -> std::io::Result<Self> {
        let memory = Reservation::new_committed(MAX_TYPES * size_of::<TypeDescriptor>())?;
        Ok(Self { memory })
    }

    /// Its first entry, valid as long as the table.
    pub(crate) fn base(&self) -> *const TypeDescriptor {
        self.memory.base().as_ptr().cast::<TypeDescriptor>()
    }

    /// Describes a type. The registry, which calls this, lets nobody know the number before, and
    /// no object of an earlier type of that number exists.
    pub(crate) fn write(&self, id: CanonTypeId, descriptor: TypeDescriptor) {
        let place = self.place(id).cast_mut();
        // SAFETY: the place lies in the table, and nobody reads it now, as the caller says.
        unsafe { place.write(descriptor) };
    }

    /// What a type that is in use looks like.
    pub(crate) fn shape(&self, id: CanonTypeId) -> TypeShape {
        let place = self.place(id);
        // SAFETY: the place lies in the table; descriptors of types in use do not change, and zero
        // is a valid descriptor.
        let descriptor = unsafe { &*place };
        let TypeDescriptor { size_bytes, kind, references, .. } = *descriptor;
        TypeShape { size_bytes, kind, references }
    }

    fn place(&self, id: CanonTypeId) -> *const TypeDescriptor {
        assert!(id.position() < MAX_TYPES, "a type of the registry");
        self.base().wrapping_add(id.position())
    }
}
