//! The `upshift` command.

#![forbid(unsafe_code)]

fn main() {
    std::process::exit(upshift_cli::main_with(std::env::args_os()));
}
