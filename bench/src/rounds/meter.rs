//! What a whole round costs: wall time, and the CPU time of this process and of the servers'.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clock::Clock;
use crate::process::Process;

/// A round's costs, in all and by parts, each of which has its unit in its name.
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) parts: Vec<(&'static str, f64)>,
}

/// Runs since it was started.
pub(crate) struct Meter<'a> {
    servers: Vec<(&'static str, &'a Process, Duration)>,
    own: Duration,
    begun: Instant,
    lap: Instant,
    parts: Vec<(&'static str, f64)>,
}

impl<'a> Meter<'a> {
    /// Begins, with servers by the names that their CPU times get.
    pub(crate) fn start(
        servers: impl IntoIterator<Item = (&'static str, &'a Process)>,
    ) -> Result<Self> {
        let before = |(name, server): (_, &'a Process)| Ok((name, server, server.cpu()?));
        let servers = servers.into_iter().map(before).collect::<Result<_>>()?;
        let begun = Instant::now();
        Ok(Self {
            servers,
            own: Clock::Process.now(),
            begun,
            lap: begun,
            parts: Vec::new(),
        })
    }

    /// Names the part that ends here.
    pub(crate) fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.parts.push((name, (now - self.lap).as_secs_f64()));
        self.lap = now;
    }

    pub(crate) fn stop(self) -> Result<Cost> {
        let wall = self.begun.elapsed();
        let mut cpu = Clock::Process.now() - self.own;
        let mut parts = self.parts;
        parts.extend([
            ("wall_s", wall.as_secs_f64()),
            ("sites_cpu_s", cpu.as_secs_f64()),
        ]);
        for (name, server, before) in self.servers {
            let spent = server.cpu()?.saturating_sub(before);
            cpu += spent;
            parts.push((name, spent.as_secs_f64()));
        }
        parts.push(("cpu_s", cpu.as_secs_f64()));
        Ok(Cost { wall, cpu, parts })
    }
}
