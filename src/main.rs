//! The program: parse, run, exit code.
#![expect(clippy::disallowed_methods, reason = "the one place that ends the process")]

fn main() {
    let exit = policy::cli::main(std::env::args_os());
    std::process::exit(i32::from(exit));
}
