//! upshift-wasi
