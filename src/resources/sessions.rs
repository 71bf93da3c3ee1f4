//! What follows from the number of sessions (`spec.dovecot.sessions`): limits of Dovecot's services, and the memory of its container.
//!
//! A session that does something is a process; one that waits for news (IDLE) is handed to one process for all after half a minute, and
//! costs little. Every session has its TLS in a login process.

/// Sessions that wait for news, for each that does something.
const IDLE: u32 = 4;
/// Connections of one login process.
const PER_LOGIN: u32 = 100;
/// Login processes beyond those of the sessions: connections that have not logged in.
const SPARE: u32 = 20;

/// Memory of Dovecot without a session, MiB: its services, and 16 passwords that are hashed at one time.
const BASE: u32 = 512;
/// Of a session that does something, KiB: a process (measured: docs/operations.md).
const ACTIVE_KIB: u32 = 3_072;
/// Of any session, KiB: its TLS, and its place among those that wait.
const ANY_KIB: u32 = 128;

/// Limits that follow from a number of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Processes of IMAP.
    pub imap: u32,
    /// Processes of POP3, which come and go.
    pub pop3: u32,
    /// Sessions of any kind.
    pub all: u32,
    /// Login processes of IMAP.
    pub logins: u32,
    /// Login processes of POP3.
    pub pop3_logins: u32,
    /// Connections to the services that all processes ask.
    pub clients: u32,
    /// Memory of the container, MiB.
    pub memory: u32,
}

impl Limits {
    pub fn of(sessions: u32) -> Self {
        let (imap, pop3, all) = (sessions, (sessions / 5).max(10), sessions.saturating_mul(1 + IDLE));
        let logins = |connections: u32| connections.div_ceil(PER_LOGIN) + SPARE;
        let (pop3_logins, logins) = (logins(pop3), logins(all));
        // Each process that may run has a connection, some of them two; Dovecot says so at its start where it is too few.
        let clients = 2 * (imap + pop3 + logins + pop3_logins) + 2_000;
        let memory = BASE + ((imap + pop3) * ACTIVE_KIB + all * ANY_KIB).div_ceil(1_024);
        Self { imap, pop3, all, logins, pop3_logins, clients, memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_memory_follow_from_one_number() {
        let province = Limits::of(4_000);
        assert_eq!((province.imap, province.all, province.logins), (4_000, 20_000, 220));
        assert!(province.logins * PER_LOGIN >= province.all && province.clients > province.imap + province.logins);
        // Whatever the schema admits fits its numbers.
        let most = Limits::of(20_000);
        assert!(most.memory > 10 * Limits::of(1_000).memory && most.pop3 == 4_000);
        assert!(Limits::of(50).pop3 == 10);
    }
}
