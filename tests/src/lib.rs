//! upshift-tests
