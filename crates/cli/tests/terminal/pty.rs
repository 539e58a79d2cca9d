//! The program in a pseudo-terminal: keys go in, and what stands on the screen comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use rustix::termios::{Winsize, tcsetwinsize};

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Keys.
pub(crate) const TAB: &str = "\t";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const LEFT: &str = "\x1b[D";
pub(crate) const RIGHT: &str = "\x1b[C";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
pub(crate) const BACKSPACE: &str = "\x7f";

/// A terminal in which the program runs.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts the program in a terminal of `rows` and `columns`, with its own files in `home`, and waits for its prompt.
    pub(crate) fn open(home: &Path, rows: u16, columns: u16, variables: &[(&str, &str)]) -> Self {
        let size = nix::pty::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        // Makes the terminal the controlling one, which is what Ctrl-C and a change of size need.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_dolmen"), "--threads", "2"]);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        command.env("TERM", "xterm-256color").env("HOME", home).env_remove("NO_COLOR").env_remove("PAGER");
        command.env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", home.join("config"));
        command.envs(variables.iter().copied());
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(pair.master);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 1000)));
        let mut output = keys.try_clone().unwrap();
        let shown = Arc::clone(&screen);
        // It ends with the program.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Linux answers with an error when nobody has the other end open any more.
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..n]);
            }
        });
        drop(pair.slave);
        let terminal = Self { child, keys, screen };
        terminal.wait_for("dolmen>");
        terminal
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses keys and then Enter.
    pub(crate) fn enter(&mut self, keys: &str) {
        self.press(keys);
        self.press("\r");
    }

    /// The lines of the screen, without the space behind them.
    pub(crate) fn screen(&self) -> String {
        let text = self.screen.lock().unwrap().screen().contents();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// The line with the cursor.
    pub(crate) fn line(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let (row, _) = parser.screen().cursor_position();
        let (_, columns) = parser.screen().size();
        parser.screen().rows(0, columns).nth(row.into()).unwrap_or_default().trim_end().to_owned()
    }

    /// Waits until `holds` is true of the screen.
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !holds(&self.screen()) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}; the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until `text` stands on the screen.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text));
    }

    /// Waits until the line with the cursor is `line`.
    pub(crate) fn wait_for_line(&self, line: &str) {
        let begun = Instant::now();
        while self.line() != line {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {line:?}; the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for an empty prompt.
    pub(crate) fn wait_for_prompt(&self) {
        self.wait_for_line("dolmen>");
    }

    /// The colour of the first cell of `text` on the screen.
    pub(crate) fn colour_of(&self, text: &str) -> vt100::Color {
        let parser = self.screen.lock().unwrap();
        let (_, columns) = parser.screen().size();
        let (row, line) =
            parser.screen().rows(0, columns).enumerate().filter(|(_, line)| line.contains(text)).last().unwrap();
        let column = line[..line.find(text).unwrap()].chars().count();
        parser.screen().cell(u16::try_from(row).unwrap(), u16::try_from(column).unwrap()).unwrap().fgcolor()
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keys, size).unwrap();
    }

    /// Waits for the end of the program; its exit status.
    pub(crate) fn wait_for_end(mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end; the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
