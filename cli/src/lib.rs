//! upshift-cli
