//! tidegate, the command.

fn main() -> std::process::ExitCode {
    tidegate::cli::run()
}
