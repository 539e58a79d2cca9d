// Faults that could be made in the decision core, each as a replacement of one place in its source. Included by the program
// that puts them in one by one, and by the test that holds this list to the source.

/// One mistake.
pub struct Fault {
    /// What goes wrong.
    pub name: &'static str,
    /// In `src/core`.
    pub file: &'static str,
    /// The place as it is, which occurs once.
    pub right: &'static str,
    /// The place with the mistake.
    pub wrong: &'static str,
}

/// The mistakes that the simulator must notice.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "a task that is done does not release what it read",
        file: "finish.rs",
        right: "    release_inputs(run, ledger, task, out);\n    if is_complete {",
        wrong: "    if is_complete {",
    },
    Fault {
        name: "a task starts although it needs all of a stage that is not complete",
        file: "finish.rs",
        right: "*n_missing == 0 && is_gate_open &&",
        wrong: "*n_missing == 0 &&",
    },
    Fault {
        name: "a value is spilled while a task reads it",
        file: "spill.rs",
        right: "let is_now = matches!(tag, Tag::Running | Tag::Fetching | Tag::Held);",
        wrong: "let is_now = matches!(tag, Tag::Fetching | Tag::Held);",
    },
    Fault {
        name: "a task keeps its reservation when it is done",
        file: "finish.rs",
        right: "        self.ledger.reserved_bytes -= frame.reserved_bytes;\n",
        wrong: "",
    },
    Fault {
        name: "one attempt too many",
        file: "failure.rs",
        right: "n_attempts < run.graph",
        wrong: "n_attempts <= run.graph",
    },
    Fault {
        name: "an attempt that took too long still counts",
        file: "failure.rs",
        right: "        frame.is_abandoned = true;\n",
        wrong: "",
    },
    Fault {
        name: "values of a lost worker are taken to be there",
        file: "repair.rs",
        right: "if self.config.places == ValuePlaces::AtWorkers {",
        wrong: "if self.config.places == ValuePlaces::AtWorkers && damaged.len() > 1 {",
    },
    Fault {
        name: "a gang starts in parts",
        file: "run.rs",
        right: "        if !is_gang {\n            self.queues.push(",
        wrong: "        if !is_gang || n_active > 1 {\n            self.queues.push(",
    },
    Fault {
        name: "tasks of a cancelled run go on",
        file: "cancel.rs",
        right: "        self.abandon(|run, _| run == id, out);\n",
        wrong: "",
    },
    Fault {
        name: "a worker that waits for a run takes tasks of others",
        file: "dispatch.rs",
        right: "Some(awaited) => self.runnable.iter().copied().find(|(.., id)| self.descends(RunId(*id), awaited)),",
        wrong: "Some(_) => self.runnable.first().copied(),",
    },
    Fault {
        name: "tasks start without room for their results",
        file: "dispatch.rs",
        right: "if missing_bytes > 0 || is_busy ||",
        wrong: "if is_busy ||",
    },
    Fault {
        name: "the time of another attempt is forgotten",
        file: "failure.rs",
        right: "            self.timers.add(at_ns, Timer::Backoff { run: id, task });\n",
        wrong: "",
    },
    Fault {
        name: "bytes of a value that is read back are not counted",
        file: "spill.rs",
        right: "            self.ledger.add_value(bytes);\n",
        wrong: "",
    },
    Fault {
        name: "bytes of a value that was counted elsewhere before are not counted",
        file: "finish.rs",
        right: "        self.ledger.add_value(size_bytes);\n",
        wrong: "",
    },
];
