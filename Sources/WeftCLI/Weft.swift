import ArgumentParser
import Glibc

/// The root of the command line.
@main
struct WeftCommand: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "weft",
    abstract: "Predict GPU collective communication and LLM strong scaling before cluster time.",
    discussion: """
      Exit codes: 0 done; 1 a check said no (verify, validate --max-error); 64 wrong usage; 65 bad \
      content of a file; 66 a file, topology or model is not there; 69 something outside is missing \
      (MPI, a GPU, NVSHMEM, Slurm); 70 a mistake of Weft; 74 cannot write; 130 interrupted.
      """,
    version: version,
    subcommands: [
      SimulateCommand.self, VerifyCommand.self, PredictCommand.self, CalibrateCommand.self,
      ValidateCommand.self, TopologyCommand.self, ScheduleCommand.self, RunCommand.self,
      ExploreCommand.self, ResultsCommand.self,
    ])

  /// Runs the command line and ends with the exit code of the contract.
  static func main() {
    // Outputs appear by rename, so an interrupt leaves nothing half done.
    signal(SIGINT) { _ in _exit(Failure.Status.interrupted.rawValue) }
    // A write beyond a limit on files then fails, and says so.
    signal(SIGXFSZ, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Failure.exit(for: error)
    }
  }
}
