//! Vectors as lanes.

/// A vector: 16 bytes, lane 0 first, each lane little-endian.
pub type V128 = [u8; 16];

/// A number that can be a lane.
pub(super) trait Lane: Copy {
    /// Number of lanes of this type.
    const COUNT: usize;
    fn get(vector: &V128, lane: usize) -> Self;
    fn set(self, vector: &mut V128, lane: usize);
}

macro_rules! lane_types {
    ($($ty:ident)*) => {$(
        impl Lane for $ty {
            const COUNT: usize = 16 / size_of::<$ty>();

            fn get(vector: &V128, lane: usize) -> Self {
                let mut bytes = [0; size_of::<$ty>()];
                bytes.copy_from_slice(&vector[lane * size_of::<$ty>()..][..size_of::<$ty>()]);
                $ty::from_le_bytes(bytes)
            }

            fn set(self, vector: &mut V128, lane: usize) {
                vector[lane * size_of::<$ty>()..][..size_of::<$ty>()]
                    .copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

lane_types! { i8 u8 i16 u16 i32 u32 i64 u64 }

/// The vector whose lane `i` is `f(i)`.
pub(super) fn build<T: Lane>(f: impl Fn(usize) -> T) -> V128 {
    let mut vector = [0; 16];
    for lane in 0..T::COUNT {
        f(lane).set(&mut vector, lane);
    }
    vector
}

/// `f` of each lane.
pub(super) fn map<T: Lane>(a: V128, f: impl Fn(T) -> T) -> V128 {
    build(|i| f(T::get(&a, i)))
}

/// `f` of each pair of lanes.
pub(super) fn zip<T: Lane>(a: V128, b: V128, f: impl Fn(T, T) -> T) -> V128 {
    build(|i| f(T::get(&a, i), T::get(&b, i)))
}

/// `f` of each triple of lanes.
pub(super) fn zip3<T: Lane>(a: V128, b: V128, c: V128, f: impl Fn(T, T, T) -> T) -> V128 {
    build(|i| f(T::get(&a, i), T::get(&b, i), T::get(&c, i)))
}

/// All bits of a lane set where `f` holds.
pub(super) fn compare<T: Lane>(a: V128, b: V128, f: impl Fn(T, T) -> bool) -> V128 {
    let mut vector = [0; 16];
    let bytes = 16 / T::COUNT;
    for lane in 0..T::COUNT {
        if f(T::get(&a, lane), T::get(&b, lane)) {
            vector[lane * bytes..][..bytes].fill(0xff);
        }
    }
    vector
}

/// All lanes.
pub(super) fn lanes<T: Lane>(a: &V128) -> impl DoubleEndedIterator<Item = T> + '_ {
    (0..T::COUNT).map(|i| T::get(a, i))
}
