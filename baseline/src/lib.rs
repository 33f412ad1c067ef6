//! upshift-baseline
