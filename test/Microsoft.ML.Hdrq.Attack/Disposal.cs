using System.Globalization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tests.Pipeline;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>Applications that dispose a transformer while others score with it, read its views, or hold a cursor.</summary>
internal static class Disposal
{
    /// <summary>Races, each in a process of its own, which must end by itself.</summary>
    public static void Run(int seed, int races, Log log)
    {
        foreach (var engine in Enum.GetNames<ScoringEngineKind>().Where(name => name != "Automatic"))
        {
            var wrong = new List<string>();
            for (var race = 0; race < races; race++)
            {
                var (exitCode, output, error) = Children.Run(Environment.ProcessPath!, [
                    "race", "--engine", engine, "--seed", (seed + race).ToString(CultureInfo.InvariantCulture)]);
                if (exitCode != 0)
                    wrong.Add($"race {seed + race}: exit code {exitCode} {output.Trim()} {error.Trim()}");
            }
            log.Check(engine, wrong.Count == 0, $"{races - wrong.Count} of {races} in order {string.Join('\n', wrong)}");
        }
    }

    /// <summary>One race; what is not documented ends the process.</summary>
    public static void Race(string engine, int seed) => DisposalRaces.Run(Enum.Parse<ScoringEngineKind>(engine), seed);
}
