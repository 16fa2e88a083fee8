//! The interpreter, with what scripts may use of it.
//!
//! Of Rhai's library only the packages named here are there: that of the core has a `sleep`. Closures are left out of the build (`no_closure`): they
//! share values, and one that shares itself would never be freed.

use std::sync::{Arc, Mutex, PoisonError};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, Position, Scope};
use serde_json::{Map, Value};

use super::cpu_time::CpuTime;
use super::{ANSWER, Failure, INPUT, LONGEST, Limits, PRINTED, Ran};

/// Calls within calls.
const CALLS: usize = 32;
/// Expressions within expressions.
const EXPRESSIONS: usize = 64;
/// Functions of a script.
const FUNCTIONS: usize = 64;
/// Variables of a function.
const VARIABLES: usize = 128;
/// Bytes of all texts in a value.
const TEXT: usize = 64 * 1024;
/// Items of all lists in a value.
const ITEMS: usize = 5_000;
/// Members of all maps in a value.
const MEMBERS: usize = 500;
/// The time is looked at after so many operations.
const LOOK: u64 = 64;

/// Reads a script, and says what is wrong with it.
///
/// # Errors
/// What keeps it from running, as far as that can be reported without an input.
pub fn check(text: &str) -> Result<(), Failure> {
    compile(&bare(), text).map(|_| ())
}

/// Runs a script in this process.
#[must_use]
pub fn run(text: &str, input: &Map<String, Value>, limits: &Limits) -> Ran {
    let printed = Arc::new(Mutex::new(String::new()));
    let answer = answer(text, input, limits, &printed);
    let printed = std::mem::take(&mut *printed.lock().unwrap_or_else(PoisonError::into_inner));
    Ran { answer, printed, peak_kib: None }
}

fn answer(
    text: &str,
    input: &Map<String, Value>,
    limits: &Limits,
    printed: &Arc<Mutex<String>>,
) -> Result<Map<String, Value>, Failure> {
    let mut engine = bare();
    let script = compile(&engine, text)?;
    limit(&mut engine, limits);
    for_print(&mut engine, printed);
    if serde_json::to_string(input).map_or(usize::MAX, |text| text.len()) > INPUT {
        return Err(Failure::over("input", format!("the input has more than {} KiB", INPUT / 1024)));
    }
    let input = rhai::serde::to_dynamic(input).map_err(|_| Failure::wrong("the input can't be read"))?;
    if engine.ensure_data_size_within_limits(&input).is_err() {
        let message = format!("the input holds more than {TEXT} bytes of text, {ITEMS} items or {MEMBERS} members");
        return Err(Failure::over("input", message));
    }
    let returned = engine.call_fn::<Dynamic>(&mut Scope::new(), &script, "run", (input,));
    let returned = returned.map_err(|error| failure(&error, limits, printed))?;
    let kind = returned.type_name();
    let is_map = returned.is_map();
    match rhai::serde::from_dynamic::<Value>(&returned) {
        Ok(Value::Object(answer)) if is_map => {
            match serde_json::to_string(&answer).map_or(usize::MAX, |text| text.len()) {
                0..=ANSWER => Ok(answer),
                _ => Err(Failure::over("answer", format!("run returned more than {} KiB", ANSWER / 1024))),
            }
        }
        Ok(_) => Err(Failure::wrong(format!("run must return a map, as #{{ score: 7 }}, not {}", kind_of(kind)))),
        Err(_) => Err(Failure::wrong("run returned a map with something that is no JSON, as a function")),
    }
}

fn kind_of(kind: &str) -> &str {
    match kind {
        "()" => "nothing",
        "string" => "a text",
        "array" => "a list",
        "i64" | "f64" => "a number",
        "bool" => "true or false",
        other => other.rsplit("::").next().unwrap_or(other),
    }
}

/// Without limits on a run.
fn bare() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    for symbol in ["eval", "import", "export"] {
        engine.disable_symbol(symbol);
    }
    // Folding constants is a run without limits.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_max_strings_interned(0);
    engine.set_max_expr_depths(EXPRESSIONS, EXPRESSIONS / 2);
    engine.set_max_functions(FUNCTIONS);
    engine.set_max_call_levels(CALLS);
    engine.set_max_variables(VARIABLES);
    engine.set_max_string_size(TEXT);
    engine.set_max_array_size(ITEMS);
    engine.set_max_map_size(MEMBERS);
    engine
}

fn limit(engine: &mut Engine, limits: &Limits) {
    engine.set_max_operations(limits.operations);
    let (begun, time) = (CpuTime::now(), limits.time);
    engine.on_progress(move |operations| {
        let is_late = operations % LOOK == 0 && begun.elapsed() > time;
        is_late.then(|| Dynamic::from("time"))
    });
}

fn for_print(engine: &mut Engine, printed: &Arc<Mutex<String>>) {
    let log = Arc::clone(printed);
    engine.on_print(move |text| write(&log, text));
    let log = Arc::clone(printed);
    engine.on_debug(move |text, _, at| write(&log, &format!("{at:?} {text}")));
}

fn write(printed: &Mutex<String>, text: &str) {
    let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
    let left = PRINTED.saturating_sub(printed.len() + 1);
    let fits = text.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(|end| *end <= left).last();
    if left > 0 {
        printed.push_str(&text[..fits.unwrap_or(0)]);
        printed.push('\n');
    }
}

fn compile(engine: &Engine, text: &str) -> Result<AST, Failure> {
    if text.len() > LONGEST {
        return Err(Failure::over("source", format!("the script has more than {} KiB", LONGEST / 1024)));
    }
    let script = engine.compile(text).map_err(|error| Failure {
        at: place(error.position()),
        limit: None,
        message: error.err_type().to_string(),
    })?;
    let has_run = script.iter_functions().any(|function| function.name == "run" && function.params.len() == 1);
    match has_run {
        true => Ok(script),
        false => Err(Failure::wrong("has no function run(input); it begins with: fn run(input) {")),
    }
}

fn place(at: Position) -> Option<(usize, usize)> {
    Some((at.line()?, at.position().unwrap_or(1)))
}

/// In words that hold no value: a text that a script throws goes to what it prints.
fn failure(error: &EvalAltResult, limits: &Limits, printed: &Mutex<String>) -> Failure {
    use EvalAltResult as Error;
    if let Error::ErrorInFunctionCall(_, _, inner, at) = error {
        let inner = failure(inner, limits, printed);
        return Failure { at: inner.at.or(place(*at)), ..inner };
    }
    let failure = match error {
        Error::ErrorTooManyOperations(_) => {
            Failure::over("operations", format!("takes more than {} operations", limits.operations))
        }
        Error::ErrorTerminated(..) => {
            Failure::over("time", format!("takes more than {} ms of a processor", limits.time.as_millis()))
        }
        Error::ErrorStackOverflow(_) => Failure::over("depth", format!("calls more than {CALLS} functions deep")),
        Error::ErrorTooManyVariables(_) => {
            Failure::over("variables", format!("has more than {VARIABLES} variables in one function"))
        }
        Error::ErrorDataTooLarge(..) => Failure::over(
            "size",
            format!("makes a value with more than {TEXT} bytes of text, {ITEMS} items or {MEMBERS} members"),
        ),
        Error::ErrorParsing(kind, _) => Failure::wrong(kind.to_string()),
        Error::ErrorVariableNotFound(name, _) => Failure::wrong(format!("there is no variable {name}")),
        Error::ErrorPropertyNotFound(..) => Failure::wrong("there is no such property"),
        Error::ErrorFunctionNotFound(name, _) => Failure::wrong(format!("there is no function {name}")),
        Error::ErrorMismatchDataType(wanted, found, _) => {
            Failure::wrong(format!("needs {}, not {}", kind_of(wanted), kind_of(found)))
        }
        Error::ErrorIndexingType(kind, _) => Failure::wrong(format!("can't be indexed: {kind}")),
        Error::ErrorArrayBounds(..) | Error::ErrorStringBounds(..) | Error::ErrorBitFieldBounds(..) => {
            Failure::wrong("the index is out of bounds")
        }
        Error::ErrorFor(_) => Failure::wrong("for needs a list, a text or a range"),
        Error::ErrorAssignmentToConstant(name, _) => Failure::wrong(format!("{name} is a constant")),
        Error::ErrorArithmetic(..) => Failure::wrong("the calculation has no result: it overflows or divides by zero"),
        Error::ErrorRuntime(thrown, _) => {
            write(printed, &thrown.to_string());
            Failure::wrong("the script threw an error")
        }
        _ => Failure::wrong("the script failed"),
    };
    Failure { at: place(error.position()), ..failure }
}
