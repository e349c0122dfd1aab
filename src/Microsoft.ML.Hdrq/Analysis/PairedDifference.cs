namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// How far the difference between two mean losses of the same images would vary with other images. Images that are hard
/// for one network are hard for the other, so the differences of images vary much less than their losses.
/// </summary>
internal sealed class PairedDifference
{
    private double _differences;
    private double _squares;
    private double _products;
    private double _labels;
    private double _squaredLabels;

    /// <summary>The number of images.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// The standard error of the difference of the means, which weigh images by their labels; NaN with a single image.
    /// With equal weights it is the sample standard deviation of the differences, divided by the square root of their
    /// number; otherwise that of a ratio of two means, linearized.
    /// </summary>
    public double StandardError
    {
        get
        {
            if (Count < 2)
                return double.NaN;
            var mean = _differences / _labels;
            // The sum of (difference - labels * mean)^2, of which rounding may leave less than nothing.
            var squares = Math.Max(0, _squares - 2 * mean * _products + mean * mean * _squaredLabels);
            return Math.Sqrt(squares * Count / (Count - 1)) / _labels;
        }
    }

    /// <summary>Adds images.</summary>
    /// <param name="first">Their losses under one network.</param>
    /// <param name="second">Their losses under the other, in the same order.</param>
    public void Add(IReadOnlyList<ImageLoss> first, IReadOnlyList<ImageLoss> second)
    {
        foreach (var (a, b) in first.Zip(second))
        {
            var difference = a.Loss - b.Loss;
            Count++;
            _differences += difference;
            _squares += difference * difference;
            _products += difference * a.Labels;
            _labels += a.Labels;
            _squaredLabels += (double)a.Labels * a.Labels;
        }
    }
}
