// The passes of a reconstruction step on NVIDIA GPUs, one launch each. Tensor operations need ten to twenty launches for
// the same, which takes longer than the convolutions in between. Compiled at run time by NVRTC (CudaKernels.cs), without
// fused multiply-add, so that a value is the same as in host memory. All sums are added in a fixed order: the same seed
// gives the same result. Lengths of tensors fit into 31 bits.

typedef long long int64;
typedef unsigned int uint;

// As in NoiseRounding and FusedRounding.
#define TABLE_SIZE 4096
#define OUTSIDE_MARK 1024.0f

// The elements of a tensor that a block takes.
#define PIECE 4096

#define TABLE_THREADS 1024
#define STRETCH 8
#define STRETCHES_PER_THREAD 2

// Adds the values of all threads of a block, in a fixed order; the first thread has the result.
__device__ double block_sum(double value, double* shared)
{
    shared[threadIdx.x] = value;
    __syncthreads();
    for (uint half = blockDim.x / 2; half > 0; half /= 2)
    {
        if (threadIdx.x < half)
            shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    return shared[0];
}

// A well-mixed integer for a counter (the finalizer of SplitMix64, Steele et al., OOPSLA 2014).
__device__ unsigned long long mix_bits(unsigned long long x)
{
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

// NaN stays NaN, so that a training that has gone wrong is seen.
__device__ float clamp_to(float x, float minimum, float maximum)
{
    return x < minimum ? minimum : x > maximum ? maximum : x;
}

__device__ float scale_at(const float* scales, uint scale_count, uint element, uint run)
{
    return scale_count == 1 ? scales[0] : scales[element / run % scale_count];
}

// Fills a table with the rounding errors of sampled values inside the range; with zeros if there are none. One block.
extern "C" __global__ void fill_table(
    const float* values, uint count, const float* scales, uint run, uint scale_count, float minimum, float maximum,
    uint seed, float* table)
{
    __shared__ uint counts[TABLE_THREADS];
    float errors[STRETCHES_PER_THREAD * STRETCH];
    uint inside = 0;
    for (uint s = 0; s < STRETCHES_PER_THREAD; s++)
    {
        unsigned long long counter = ((unsigned long long)seed << 32) + threadIdx.x * STRETCHES_PER_THREAD + s;
        uint start = (uint)(mix_bits(counter) % count);
        uint position = start % run;
        for (uint i = 0; i < STRETCH; i++)
        {
            // A stretch wraps around at the end of its run, so that all values are equally likely.
            uint element = start - position + (position + i) % run;
            float steps = values[element] / scale_at(scales, scale_count, element, run);
            errors[s * STRETCH + i] = rintf(steps) - steps;
            if (steps > minimum && steps < maximum)
                inside |= 1u << (s * STRETCH + i);
        }
    }
    uint own = 0;
    for (uint i = 0; i < STRETCHES_PER_THREAD * STRETCH; i++)
        own += inside >> i & 1;
    counts[threadIdx.x] = own;
    __syncthreads();
    for (uint step = 1; step < TABLE_THREADS; step *= 2)
    {
        uint before = threadIdx.x >= step ? counts[threadIdx.x - step] : 0;
        __syncthreads();
        counts[threadIdx.x] += before;
        __syncthreads();
    }
    uint rank = counts[threadIdx.x] - own;
    for (uint i = 0; i < STRETCHES_PER_THREAD * STRETCH; i++)
    {
        if ((inside >> i & 1) == 0)
            continue;
        if (rank < TABLE_SIZE)
            table[rank] = errors[i];
        rank++;
    }
    uint filled = counts[TABLE_THREADS - 1];
    if (filled == 0 && threadIdx.x == 0)
        table[0] = 0;
    filled = filled == 0 ? 1 : filled < TABLE_SIZE ? filled : TABLE_SIZE;
    __syncthreads();
    for (uint i = filled + threadIdx.x; i < TABLE_SIZE; i += TABLE_THREADS)
        table[i] = table[i % filled];
}

// Quantizes values, and keeps what the gradients need: the remainder, marked where a value is outside the range.
extern "C" __global__ void quantize(
    const float* values, const float* scales, const float* table, const int* draws, uint count, uint run,
    uint scale_count, float minimum, float maximum, uint is_mixed, float* result, float* kept)
{
    for (uint i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    {
        float value = values[i];
        float scale = scale_at(scales, scale_count, i, run);
        int draw = draws ? draws[i] : 0;
        float quantized, remainder;
        if (is_mixed && draw < 0)
        {
            quantized = value;
            remainder = 0;
        }
        else if (table)
        {
            float steps = value / scale;
            float clamped = clamp_to(steps, minimum, maximum);
            float noise = table[draw & (TABLE_SIZE - 1)];
            bool inside = steps > minimum && steps < maximum;
            quantized = inside ? value + noise * scale : clamped * scale;
            remainder = inside ? noise : clamped + OUTSIDE_MARK;
        }
        else
        {
            float steps = value / scale;
            float rounded = rintf(steps);
            float clamped = clamp_to(rounded, minimum, maximum);
            quantized = clamped * scale;
            remainder = rounded == clamped ? clamped - steps : clamped + OUTSIDE_MARK;
        }
        result[i] = quantized;
        kept[i] = remainder;
    }
}

// The gradients of quantized values: of the values (where asked for), and the sum for the scale over a piece of a run.
extern "C" __global__ void quantize_backward(
    const float* gradient, const float* kept, uint run, uint pieces_per_run, float* value_gradient, double* sums)
{
    __shared__ double shared[256];
    uint offset = blockIdx.x % pieces_per_run * PIECE;
    uint start = blockIdx.x / pieces_per_run * run + offset;
    uint length = run - offset < PIECE ? run - offset : PIECE;
    double sum = 0;
    for (uint i = threadIdx.x; i < length; i += blockDim.x)
    {
        float given = gradient[start + i];
        float remainder = kept[start + i];
        bool outside = remainder > OUTSIDE_MARK / 2;
        sum += given * (outside ? remainder - OUTSIDE_MARK : remainder);
        if (value_gradient)
            value_gradient[start + i] = outside ? 0 : given;
    }
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

// Adds up the pieces of the runs that share a scale: one block for each scale.
extern "C" __global__ void sum_scales(
    const double* sums, uint pieces_per_run, uint runs, uint scale_count, float factor, float* result)
{
    __shared__ double shared[256];
    double sum = 0;
    uint own_runs = (runs - blockIdx.x + scale_count - 1) / scale_count;
    for (uint i = threadIdx.x; i < own_runs * pieces_per_run; i += blockDim.x)
    {
        uint piece = (blockIdx.x + i / pieces_per_run * scale_count) * pieces_per_run + i % pieces_per_run;
        sum += sums[piece];
    }
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0)
        result[blockIdx.x] = (float)(sum * factor);
}

// Selects images, each element from one of two tensors.
extern "C" __global__ void select_mixed(
    const float* quantized, const float* exact, const int64* indices, const int* draws, uint image, uint count,
    float* result)
{
    for (uint i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    {
        int64 source = indices[i / image] * image + i % image;
        result[i] = draws[i] < 0 ? exact[source] : quantized[source];
    }
}

// A row of the table of pieces: a number, and a stretch of a tensor.
struct Piece
{
    int64 of, start, length;
};

// A weight and the weight that it is to stay near.
struct Pair
{
    int64 weight, reference;
    int64 first_piece, piece_count;
    double coefficient;
};

// What a parameter needs in a step. References are numbers of pairs, or -1.
struct Learned
{
    int64 weight, first_moment, second_moment;
    int64 pairs[2];
    int64 is_activation_scale, is_scale;
};

// The squared distance of a piece of a weight: one block for each piece.
extern "C" __global__ void squared_distances(const Piece* pieces, const Pair* pairs, double* sums)
{
    __shared__ double shared[256];
    Piece piece = pieces[blockIdx.x];
    const float* weight = (const float*)pairs[piece.of].weight + piece.start;
    const float* reference = (const float*)pairs[piece.of].reference + piece.start;
    double sum = 0;
    for (uint i = threadIdx.x; i < piece.length; i += blockDim.x)
    {
        float difference = weight[i] - reference[i];
        sum += difference * difference;
    }
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

// The Frobenius norms of all distances: one block for each pair.
extern "C" __global__ void distance_norms(const Pair* pairs, const double* sums, float* norms)
{
    __shared__ double shared[256];
    Pair pair = pairs[blockIdx.x];
    double sum = 0;
    for (uint i = threadIdx.x; i < pair.piece_count; i += blockDim.x)
        sum += sums[pair.first_piece + i];
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0)
        norms[blockIdx.x] = (float)sqrt(sum);
}

// At most this many parameters in a launch; as GRADIENTS in CudaBlockOptimizer.
#define GRADIENTS 256

struct Gradients
{
    const float* of[GRADIENTS];
};

// A step of Adam (Kingma and Ba, ICLR 2015) on parameters first, first + 1, ...: one block for each piece. The gradients
// of the distances, coefficient (w - r) / norm, are added here. Scales stay positive.
extern "C" __global__ void adam(
    Gradients gradients, const Piece* pieces, const Learned* learned, const Pair* pairs, const float* norms, uint first,
    float weight_step, float scale_step, float correction, float decay1, float decay2, float epsilon, float least_scale)
{
    Piece piece = pieces[blockIdx.x];
    Learned parameter = learned[piece.of];
    const float* gradient = gradients.of[piece.of - first];
    if (!gradient)
        return;
    gradient += piece.start;
    float* weight = (float*)parameter.weight + piece.start;
    float* first_moment = (float*)parameter.first_moment + piece.start;
    float* second_moment = (float*)parameter.second_moment + piece.start;
    float step = parameter.is_activation_scale ? scale_step : weight_step;
    for (uint i = threadIdx.x; i < piece.length; i += blockDim.x)
    {
        float value = weight[i];
        float slope = gradient[i];
        for (int p = 0; p < 2; p++)
        {
            int64 pair = parameter.pairs[p];
            if (pair < 0 || norms[pair] == 0)
                continue;
            float reference = ((const float*)pairs[pair].reference)[piece.start + i];
            slope += (float)pairs[pair].coefficient * ((value - reference) / norms[pair]);
        }
        float m = decay1 * first_moment[i] + (1 - decay1) * slope;
        float v = decay2 * second_moment[i] + (1 - decay2) * slope * slope;
        first_moment[i] = m;
        second_moment[i] = v;
        value -= step * m / (sqrtf(v) / correction + epsilon);
        if (parameter.is_scale)
            value = fabsf(value) < least_scale ? least_scale : fabsf(value);
        weight[i] = value;
    }
}
