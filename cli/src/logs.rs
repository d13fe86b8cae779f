//! Logs: to stderr, quiet unless asked (`-v`, or filters in `PARLOUR_LOG`).

use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

/// Starts logging for this process.
pub(crate) fn start(cli: &Cli) {
    let filter = match std::env::var("PARLOUR_LOG") {
        Ok(filter) => EnvFilter::new(filter),
        Err(_) => EnvFilter::new(level(cli.global.verbose)),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let as_json = matches!(&cli.command, Some(Command::Up(up)) if up.log_json);
    // Fails only if logging has been started before, which nobody else does.
    let _ = if as_json {
        logs.json().try_init()
    } else {
        logs.with_ansi(false).compact().try_init()
    };
}

fn level(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn,libp2p=error",
        1 => "warn,parlour=info,parlour_node=info,parlour_net=info,parlour_store=info",
        2 => "info,parlour=debug,parlour_node=debug,parlour_net=debug,parlour_store=debug",
        3 => "debug,parlour=trace,parlour_node=trace,parlour_net=trace,parlour_store=trace",
        _ => "trace",
    }
}
