//! Files as bytes, for modules that are not copied.

use memmap2::Mmap;
use std::fs::File;
use std::io;

/// Maps a whole file, read-only and private.
///
/// Module bytes are validated once and trusted afterwards. A process that writes to a file while
/// a module made from it is in use breaks that trust, as it would with any program it overwrites;
/// [`crate::Module::from_file`] tells its users.
pub(crate) fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the file's owner keeps it unchanged, see above.
    unsafe { Mmap::map(file) }
}
