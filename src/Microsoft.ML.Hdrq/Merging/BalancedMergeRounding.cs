namespace Microsoft.ML.Hdrq.Merging;

internal sealed class BalancedMergeRounding(int mode = 0, double bound = 0.25) : MergeRounding
{
    internal override int[] Round(MergedWeight w, int layer)
    {
        var q = w.Nearest();
        var perChannel = w.Count / w.Channels;
        for (var c = 0; c < w.Channels; c++)
        {
            var all = Enumerable.Range(c * perChannel, perChannel).ToArray();
            if (mode == 3) { Greedy(w, q, all); continue; }
            IEnumerable<int[]> groups = mode switch
            {
                1 when w.Kernel >= 4 => all.Chunk(w.Kernel),
                2 => all.GroupBy(i => Lead(w, i)).Select(g => g.ToArray()),
                _ => [],
            };
            foreach (var g in groups) Flip(w, q, g, null);
            if (mode == 1) { var kernelError = new double[perChannel / Math.Max(1, w.Kernel) + 1]; foreach (var i in all) kernelError[(i - all[0]) / w.Kernel] += q[i] - w.Means[i]; if (w.Kernel >= 4) { Flip(w, q, all, i => kernelError[(i - all[0]) / w.Kernel]); continue; } }
            Flip(w, q, all, null);
        }
        return q;
    }

    private static int Lead(MergedWeight w, int i)
    {
        var best = 0; var dist = -1.0;
        for (var d = 0; d < w.Integers.Length; d++) { var x = Math.Abs(w.Value(d, i) - w.Means[i]); if (x > dist + 1e-9) { dist = x; best = d; } }
        return w.Value(best, i) > w.Means[i] ? best : ~best;
    }

    private void Flip(MergedWeight w, int[] q, int[] items, Func<int, double>? key)
    {
        var e = 0.0; foreach (var i in items) e += q[i] - w.Means[i];
        var n = (int)Math.Round(Math.Abs(e)); if (n == 0) return;
        var sign = Math.Sign(e);
        var cand = items.Where(i => sign * (q[i] - w.Means[i]) >= 0.5 - bound - 1e-9 && q[i] - sign >= w.Range.Minimum && q[i] - sign <= w.Range.Maximum)
            .OrderByDescending(i => Math.Round(sign * (q[i] - w.Means[i]), 2) + (key is null ? 0 : 0.001 * sign * key(i))).ThenByDescending(i => sign * (q[i] - w.Means[i])).Take(n);
        foreach (var i in cand.ToArray()) q[i] -= sign;
    }

    private void Greedy(MergedWeight w, int[] q, int[] items)
    {
        var n = w.Integers.Length; var f = new double[n]; var e = 0.0;
        var cand = new List<int>();
        foreach (var i in items)
        {
            if (Math.Abs(Math.Abs(q[i] - w.Means[i]) - .5) <= bound) { cand.Add(i); continue; }
            e += q[i] - w.Means[i];
            for (var d = 0; d < n; d++) f[d] += (q[i] - w.Means[i]) * (w.Value(d, i) - w.Means[i]);
        }
        foreach (var i in cand.OrderByDescending(i => Enumerable.Range(0, n).Sum(d => Math.Abs(w.Value(d, i) - w.Means[i]))).ThenBy(i => Math.Abs(.5 - Math.Abs(q[i] - w.Means[i]))))
        {
            var near = q[i]; var other = near - w.Means[i] > 0 ? near - 1 : near + 1;
            double Cost(int x) { var er = x - w.Means[i]; var s = (e + er) * (e + er) + er * er; for (var d = 0; d < n; d++) { var g = f[d] + er * (w.Value(d, i) - w.Means[i]); s += w.Lambdas[d] * g * g; } return s; }
            if (Cost(other) < Cost(near) - 1e-9) q[i] = other;
            e += q[i] - w.Means[i];
            for (var d = 0; d < n; d++) f[d] += (q[i] - w.Means[i]) * (w.Value(d, i) - w.Means[i]);
        }
    }
}
