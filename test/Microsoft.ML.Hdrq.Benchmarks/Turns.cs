using System.Diagnostics;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>Times actions that take turns, because a machine that others use is never equally fast for long.</summary>
internal static class Turns
{
    private const int StepsInATurn = 2;

    /// <summary>
    /// Measures short actions: a turn begins with one that is not timed, so that caches and heap hold what this action
    /// needs, as when it is done again and again.
    /// </summary>
    /// <param name="actions">The actions.</param>
    /// <param name="warmUps">Turns that do not count.</param>
    /// <param name="turns">Turns that count.</param>
    /// <returns>The median of each action in milliseconds.</returns>
    public static double[] Take(Action[] actions, int warmUps, int turns) => Take(actions, warmUps, turns, action =>
    {
        action();
        return [.. Enumerable.Range(0, StepsInATurn).Select(_ => Time(action))];
    });

    /// <summary>Measures long actions, once a turn.</summary>
    /// <returns>The median of each action in milliseconds.</returns>
    public static double[] TakeOnce(Action[] actions, int turns) =>
        Take(actions, warmUps: 1, turns, action => [Time(action)]);

    /// <summary>Measures each action once a turn.</summary>
    /// <param name="actions">The actions.</param>
    /// <param name="warmUps">Turns that do not count.</param>
    /// <param name="turns">Turns that count.</param>
    /// <returns>All times of each action in milliseconds.</returns>
    public static List<double>[] All(Action[] actions, int warmUps, int turns) =>
        All(actions, warmUps, turns, action => [Time(action)]);

    /// <summary>The smallest value that at least a share of the values does not exceed.</summary>
    public static double Quantile(List<double> values, double share) =>
        values.Order().ElementAt(Math.Max(0, (int)Math.Ceiling(share * values.Count) - 1));

    private static double[] Take(Action[] actions, int warmUps, int turns, Func<Action, double[]> measure) =>
        Array.ConvertAll(All(actions, warmUps, turns, measure), Median);

    private static List<double>[] All(Action[] actions, int warmUps, int turns, Func<Action, double[]> measure)
    {
        var times = Array.ConvertAll(actions, _ => new List<double>());
        for (var turn = -warmUps; turn < turns; turn++)
        {
            for (var i = 0; i < actions.Length; i++)
            {
                var measured = measure(actions[i]);
                if (turn >= 0)
                    times[i].AddRange(measured);
            }
        }
        return times;
    }

    private static double Time(Action action)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double Median(List<double> times)
    {
        times.Sort();
        return (times[(times.Count - 1) / 2] + times[times.Count / 2]) / 2;
    }
}
